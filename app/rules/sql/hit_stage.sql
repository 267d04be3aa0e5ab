-- Stages hits of rules; dropped with the transaction.
CREATE TEMP TABLE hit_stage (
    version_id integer NOT NULL,
    lead_id bigint NOT NULL,
    hit_date date NOT NULL,
    values bigint[] NOT NULL,
    score double precision NOT NULL,
    grade text NOT NULL,
    evidence jsonb NOT NULL,
    last_met_on date NOT NULL,
    is_new boolean NOT NULL,
    holdout boolean NOT NULL DEFAULT false
) ON COMMIT DROP
