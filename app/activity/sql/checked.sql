-- All rows of the files to be committed next. A valid row has the columns of an event; a rejected one has its line number,
-- reason and texts, in which possible ID numbers are masked already, so that no ID number ever gets on disk. They are
-- a list of at most one, because columns of their own would take memory in every row.
CREATE OR REPLACE TABLE checked (
    file_no INTEGER,
    rid UUID, person UUID, institution VARCHAR, type UTINYINT,
    happened_at TIMESTAMP, day DATE, hour UTINYINT, second USMALLINT, ok BOOLEAN,
    rejected STRUCT(
        line_no BIGINT, reason VARCHAR,
        request_id VARCHAR, event_time VARCHAR, event_type VARCHAR, institution_code VARCHAR,
        id_hash VARCHAR, result VARCHAR, raw VARCHAR
    )[]
);
