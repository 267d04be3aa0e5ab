-- Inserts the new hits and counts them by date. Nobody else inserts hits of evaluations meanwhile (Lock.HITS).
WITH made AS (
    INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, opted_out, holdout, evidence,
                     last_met_on, made_on)
    SELECT :rule, :version, s.lead_id, s.hit_date, s.values, s.score, s.grade, l.opted_out, s.holdout, s.evidence,
           s.last_met_on, :today
    FROM hit_stage s
    -- OFFSET looks each lead up: a join would read all leads for the few there are.
    CROSS JOIN LATERAL (SELECT opted_out FROM lead WHERE id = s.lead_id AND deleted_at IS NULL OFFSET 0) l
    WHERE s.is_new
    ON CONFLICT (rule_id, lead_id, hit_date) DO NOTHING
    RETURNING hit_date
)
SELECT hit_date, count(*) FROM made GROUP BY hit_date
