-- Refreshes hits when their version evaluates their date again, as late events may have changed the result.
UPDATE hit h
SET values = s.values, score = s.score, grade = s.grade, evidence = s.evidence, updated_at = app_now(now())
FROM hit_stage s JOIN rule_version v ON v.id = s.version_id
WHERE NOT s.is_new AND h.rule_id = v.rule_id AND h.lead_id = s.lead_id AND h.hit_date = s.hit_date
  AND h.version_id = s.version_id AND h.evidence IS DISTINCT FROM s.evidence
