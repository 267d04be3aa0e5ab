-- Checks rows as delivered (view `delivered`, file number $file_no) into `checked`.
-- Usual values are recognized by cheap means that prove them sound; the others take the general way. Each join keeps the
-- columns before it from being computed once for each use.
INSERT INTO checked
WITH texts AS (
    SELECT
        line_no, raw, tidy(request_id) AS request_id, event_time, event_type, tidy(institution_code) AS institution_code,
        CASE WHEN strlen(id_hash) = 64 THEN id_hash ELSE tidy(id_hash) END AS id_hash,
        CASE WHEN result IN ('success', 'fail') THEN result ELSE tidy(result) END AS result,
        -- A text equal to that of the time it denotes has the right form.
        CASE WHEN strlen(event_time) = 19 AND CAST(try_cast(event_time AS TIMESTAMP) AS VARCHAR) = event_time
            AND getvariable('utc_offset') IS NOT NULL THEN try_cast(event_time AS TIMESTAMP) END AS usual_time
    FROM delivered
),
placed AS (
    SELECT
        texts.*, person_of(id_hash) AS person,
        coalesce(number, getvariable('known_types')[tidy(event_type)]) AS type,
        CASE WHEN usual_time IS NULL THEN instant(tidy(event_time)) END AS moment
    FROM texts LEFT JOIN known_types ON event_type = name
),
timed AS (
    SELECT *, coalesce(usual_time, timezone(current_setting('TimeZone'), moment)) AS local_time
    FROM placed CROSS JOIN bounds
),
judged AS (
    SELECT *,
        CASE
            WHEN raw IS NOT NULL OR contains(request_id, chr(0)) OR contains(institution_code, chr(0))
                THEN 'malformed_line'
            WHEN request_id <> '' AND local_time BETWEEN earliest AND latest AND type IS NOT NULL
                AND institution_code <> '' AND person IS NOT NULL AND result IN ('success', 'fail')
                THEN NULL
            WHEN contains(concat(event_time, event_type, id_hash, result), chr(0)) THEN 'malformed_line'
            WHEN request_id = '' THEN 'missing_request_id'
            WHEN local_time IS NULL OR local_time NOT BETWEEN earliest AND latest THEN 'bad_event_time'
            WHEN type IS NULL THEN 'unknown_event_type'
            WHEN institution_code = '' THEN 'missing_institution'
            WHEN person IS NULL THEN 'bad_id_hash'
            ELSE 'bad_result'
        END AS reason
    FROM timed
)
SELECT
    $file_no,
    CASE WHEN reason IS NULL THEN CAST(unhex(left(sha256(request_id), 32)) AS UUID) END,
    CASE WHEN reason IS NULL THEN person END,
    CASE WHEN reason IS NULL THEN institution_code END,
    CASE WHEN reason IS NULL THEN type END,
    CASE WHEN reason IS NULL THEN coalesce(usual_time - getvariable('utc_offset'), timezone('UTC', moment)) END,
    CASE WHEN reason IS NULL THEN CAST(local_time AS DATE) END,
    CASE WHEN reason IS NULL THEN hour(local_time) END,
    CASE WHEN reason IS NULL THEN minute(local_time) * 60 + second(local_time) END,
    CASE WHEN reason IS NULL THEN result = 'success' END,
    CASE WHEN reason IS NOT NULL THEN [row(
        line_no, reason, masked(request_id), masked(tidy(event_time)), masked(tidy(event_type)), masked(institution_code),
        CASE WHEN person IS NULL THEN masked(tidy(id_hash)) ELSE id_hash END, masked(result), masked(raw)
    )] END
FROM judged;
