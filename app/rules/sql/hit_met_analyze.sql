-- Temporary tables are not analysed automatically, and the query plans depend on it.
ANALYZE hit_met
