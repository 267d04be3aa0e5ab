TRUNCATE hit_met
