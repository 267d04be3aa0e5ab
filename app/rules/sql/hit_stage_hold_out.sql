UPDATE hit_stage s SET holdout = true
FROM unnest(CAST(:leads AS bigint[]), CAST(:days AS date[])) AS held (lead_id, hit_date)
WHERE s.version_id = :version AND s.lead_id = held.lead_id AND s.hit_date = held.hit_date
