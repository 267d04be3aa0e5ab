UPDATE hit_stage SET holdout = true WHERE lead_id = ANY(:leads)
