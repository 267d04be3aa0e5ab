COPY hit_stage (version_id, lead_id, hit_date, values, score, grade, evidence, last_met_on, is_new) FROM STDIN
