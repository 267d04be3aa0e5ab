-- The event types of `app/activity/event_types.py`: names in files and numbers in the cube.
CREATE TABLE known_types (name VARCHAR, number UTINYINT);

-- Request ids that this call has accepted in earlier chunks.
CREATE TABLE accepted (rid UUID);

-- Masks 15 or more digits, with or without spaces and hyphens, except the first three and the last two.
CREATE MACRO masked(value) AS
    regexp_replace(value, '(\p{Nd}{3})(?:[ -]?\p{Nd}){10,}[ -]?(\p{Nd}[ -]?[\p{Nd}Xx])', '\1**********\2', 'g');

-- Removes white space around a text. Most texts have none, which their first and last characters show.
CREATE MACRO tidy(value) AS
    CASE WHEN unicode(value) BETWEEN 33 AND 126 AND unicode(right(value, 1)) BETWEEN 33 AND 126 THEN value
    ELSE coalesce(trim(value, getvariable('white_space')), '') END;

-- Returns the person of a hash of 64 hexadecimal digits: their first half. NULL for any other text.
CREATE MACRO person_of(hash) AS
    CASE WHEN strlen(hash) = 64 AND TRY(unhex(substr(hash, 33))) IS NOT NULL
    THEN TRY(CAST(unhex(left(hash, 32)) AS UUID)) END;

-- Returns the instant of an event time; a time without an offset is in the session's time zone.
-- The regular expression is necessary because casts accept far more, such as 24:00:00 and years before 1.
CREATE MACRO instant(value) AS CASE WHEN regexp_full_match(
    value,
    '\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?'
) THEN try_cast(value AS TIMESTAMPTZ) END;
