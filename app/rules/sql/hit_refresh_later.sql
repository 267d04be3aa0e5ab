-- Within the cooldown, keeps the newest evidence beside that of the hit date.
WITH newest AS (
    SELECT DISTINCT ON (h.lead_id) h.id, h.lead_id, h.hit_date
    FROM hit_stage s JOIN hit h ON h.rule_id = :rule AND h.lead_id = s.lead_id AND h.hit_date <= :day
    ORDER BY h.lead_id, h.hit_date DESC
)
UPDATE hit h
SET latest = s.evidence, last_met_on = :day, updated_at = now()
FROM newest n JOIN hit_stage s ON s.lead_id = n.lead_id
WHERE h.id = n.id AND n.hit_date < :day
  -- A date that is evaluated again mostly says the same, which is not written again.
  AND (h.last_met_on < :day OR h.last_met_on = :day AND h.latest IS DISTINCT FROM s.evidence)
