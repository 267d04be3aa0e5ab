-- Inserts the new hits and counts them by date. Nobody else inserts hits of evaluations meanwhile (Lock.HITS).
WITH made AS (
    INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, opted_out, holdout, evidence,
                     last_met_on, made_on)
    SELECT :rule, :version, s.lead_id, s.hit_date, s.values, s.score, s.grade, l.opted_out, s.holdout, s.evidence,
           s.last_met_on, :today
    FROM hit_stage s
    JOIN lead l ON l.id = s.lead_id AND l.deleted_at IS NULL
    WHERE s.is_new
    ORDER BY s.hit_date, s.lead_id
    ON CONFLICT (rule_id, lead_id, hit_date) DO NOTHING
    RETURNING hit_date
)
SELECT hit_date, count(*) FROM made GROUP BY hit_date
