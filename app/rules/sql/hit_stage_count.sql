SELECT count(*) FROM hit_stage s JOIN lead l ON l.id = s.lead_id AND l.deleted_at IS NULL
