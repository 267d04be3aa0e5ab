SELECT s.lead_id, l.id_hash FROM hit_stage s JOIN lead l ON l.id = s.lead_id
