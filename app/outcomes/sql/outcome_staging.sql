CREATE TEMP TABLE outcome_staging (
    row bigint NOT NULL, outcome_id text NOT NULL, id_hash text NOT NULL, lead_no text NOT NULL,
    product_id integer NOT NULL, on_date date NOT NULL, amount numeric NOT NULL, margin numeric
) ON COMMIT DROP
