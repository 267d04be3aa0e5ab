-- What the statements on hits go by; a date's hits come faster than the server would look by itself.
ANALYZE hit (rule_id, version_id, lead_id, hit_date, last_met_on)
