-- What the cube found as of one date for one rule; dropped with the transaction.
CREATE TEMP TABLE hit_stage (
    lead_id bigint PRIMARY KEY,
    values bigint[] NOT NULL,
    score double precision NOT NULL,
    grade text NOT NULL,
    evidence jsonb NOT NULL,
    holdout boolean NOT NULL DEFAULT false
) ON COMMIT DROP
