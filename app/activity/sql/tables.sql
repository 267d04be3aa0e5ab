-- Every row of this call's files. A sound row has the columns of an event; a rejected one a reason and its texts,
-- in which whatever could be an ID number is masked already: nothing on disk ever holds one.
CREATE TABLE checked (
    file_no INTEGER, line_no BIGINT, reason VARCHAR,
    rid UUID, person UUID, institution VARCHAR, type UTINYINT,
    happened_at TIMESTAMP, day DATE, hour UTINYINT, second USMALLINT, ok BOOLEAN,
    request_id VARCHAR, event_time VARCHAR, event_type VARCHAR, institution_code VARCHAR,
    id_hash VARCHAR, result VARCHAR, raw VARCHAR
);

-- What `app/activity/event_types.py` says, as names in files and numbers in the cube.
CREATE TABLE known_types (name VARCHAR, number UTINYINT);

-- Request ids this call has accepted in earlier chunks.
CREATE TABLE accepted (rid UUID);

-- 15 digits or more, spaces and hyphens between them allowed: keep the first three and the last two.
CREATE MACRO masked(value) AS
    regexp_replace(value, '(\p{Nd}{3})(?:[ -]?\p{Nd}){10,}[ -]?(\p{Nd}[ -]?[\p{Nd}Xx])', '\1**********\2', 'g');

CREATE MACRO is_hash(value) AS regexp_full_match(value, '[0-9A-Fa-f]{64}');

-- The instant of an event time; the session's time zone is that of times without an offset.
-- The regular expression is needed because casts accept far more, 24:00:00 and years before 1 among it.
CREATE MACRO instant(value) AS CASE WHEN regexp_full_match(
    value,
    '\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?'
) THEN try_cast(value AS TIMESTAMPTZ) END;
