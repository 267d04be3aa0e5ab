-- Updates the planner's statistics, because a date's hits are stored faster than autovacuum would notice.
ANALYZE hit (rule_id, version_id, lead_id, hit_date, last_met_on)
