-- The leads that meet a rule; dropped with the transaction.
CREATE TEMP TABLE IF NOT EXISTS hit_met (lead_id bigint NOT NULL) ON COMMIT DROP
