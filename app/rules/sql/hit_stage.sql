-- Stages the leads found in the cube for one rule as of one date; dropped with the transaction.
CREATE TEMP TABLE hit_stage (
    lead_id bigint PRIMARY KEY,
    values bigint[] NOT NULL,
    score double precision NOT NULL,
    grade text NOT NULL,
    evidence jsonb NOT NULL,
    holdout boolean NOT NULL DEFAULT false
) ON COMMIT DROP
