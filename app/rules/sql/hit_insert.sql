-- Inserts the new hits and counts them by version and date. Nobody else inserts hits of evaluations meanwhile
-- (Lock.HITS). In the order of leads each index and table is entered at places near each other.
WITH made AS (
    INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, opted_out, holdout, evidence,
                     last_met_on, made_on, source, branch_id, live)
    SELECT v.rule_id, s.version_id, s.lead_id, s.hit_date, s.values, s.score, s.grade, l.opted_out, s.holdout,
           s.evidence, s.last_met_on, :today, coalesce(l.source, ''), coalesce(l.branch_id, 0), true
    FROM hit_stage s
    JOIN rule_version v ON v.id = s.version_id
    -- OFFSET looks each lead up: a join would read all leads for the few there are.
    CROSS JOIN LATERAL (
        SELECT opted_out, source, branch_id FROM lead WHERE id = s.lead_id AND deleted_at IS NULL OFFSET 0
    ) l
    WHERE s.is_new
    ORDER BY s.lead_id, s.version_id, s.hit_date
    ON CONFLICT (rule_id, lead_id, hit_date) DO NOTHING
    RETURNING version_id, hit_date
)
SELECT version_id, hit_date, count(*) FROM made GROUP BY version_id, hit_date
