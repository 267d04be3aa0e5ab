-- Still met inside the cooldown: keep the newest evidence beside that of the hit date.
UPDATE hit h
SET latest = s.evidence, last_met_on = :day, updated_at = now()
FROM hit_stage s
WHERE h.rule_id = :rule AND h.lead_id = s.lead_id AND h.hit_date < :day AND h.last_met_on <= :day
  AND h.hit_date = (
      SELECT max(n.hit_date) FROM hit n
      WHERE n.rule_id = :rule AND n.lead_id = s.lead_id AND n.hit_date <= :day
  )
