-- Inserts a hit unless another one is closer than the cooldown; a later hit blocks an earlier date too.
INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, opted_out, holdout, evidence,
                 last_met_on, made_on)
SELECT :rule, :version, s.lead_id, :day, s.values, s.score, s.grade, l.opted_out, s.holdout, s.evidence, :day, :today
FROM hit_stage s
JOIN lead l ON l.id = s.lead_id AND l.deleted_at IS NULL
WHERE NOT EXISTS (
    SELECT 1 FROM hit h
    WHERE h.rule_id = :rule AND h.lead_id = s.lead_id
      AND h.hit_date > CAST(:day AS date) - CAST(:cooldown AS integer)
)
ON CONFLICT (rule_id, lead_id, hit_date) DO NOTHING
