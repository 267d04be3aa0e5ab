-- Temporary tables are never analysed by themselves, and the plans depend on it.
ANALYZE hit_stage
