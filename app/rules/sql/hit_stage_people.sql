SELECT s.lead_id, s.hit_date, l.id_hash
FROM hit_stage s JOIN lead l ON l.id = s.lead_id
WHERE s.version_id = :version AND s.is_new
