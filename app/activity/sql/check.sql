-- Checks rows as delivered (view `delivered`, file number $file_no) into `checked`.
INSERT INTO checked
WITH texts AS (
    SELECT
        line_no, raw,
        coalesce(request_id, '') AS request_id, coalesce(event_time, '') AS event_time,
        coalesce(event_type, '') AS event_type, coalesce(institution_code, '') AS institution_code,
        coalesce(id_hash, '') AS id_hash, coalesce(result, '') AS result
    FROM delivered
),
placed AS (
    SELECT *, instant(event_time) AS moment FROM texts
),
timed AS (
    SELECT placed.*, timezone(current_setting('TimeZone'), moment) AS local_time, number AS type
    FROM placed LEFT JOIN known_types ON event_type = name
),
judged AS (
    SELECT *,
        CASE
            WHEN raw IS NOT NULL
                OR contains(concat(request_id, event_time, event_type, institution_code, id_hash, result), chr(0))
                THEN 'malformed_line'
            WHEN request_id = '' THEN 'missing_request_id'
            WHEN local_time IS NULL OR local_time NOT BETWEEN earliest AND latest THEN 'bad_event_time'
            WHEN type IS NULL THEN 'unknown_event_type'
            WHEN institution_code = '' THEN 'missing_institution'
            WHEN NOT is_hash(id_hash) THEN 'bad_id_hash'
            WHEN result NOT IN ('success', 'fail') THEN 'bad_result'
        END AS reason
    FROM timed CROSS JOIN bounds
)
SELECT
    $file_no, line_no, reason,
    CASE WHEN reason IS NULL THEN CAST(left(sha256(request_id), 32) AS UUID) END,
    CASE WHEN reason IS NULL THEN CAST(left(id_hash, 32) AS UUID) END,
    CASE WHEN reason IS NULL THEN institution_code END,
    CASE WHEN reason IS NULL THEN type END,
    CASE WHEN reason IS NULL THEN timezone('UTC', moment) END,
    CASE WHEN reason IS NULL THEN CAST(local_time AS DATE) END,
    CASE WHEN reason IS NULL THEN hour(local_time) END,
    CASE WHEN reason IS NULL THEN minute(local_time) * 60 + second(local_time) END,
    CASE WHEN reason IS NULL THEN result = 'success' END,
    CASE WHEN reason IS NOT NULL THEN masked(request_id) END,
    CASE WHEN reason IS NOT NULL THEN masked(event_time) END,
    CASE WHEN reason IS NOT NULL THEN masked(event_type) END,
    CASE WHEN reason IS NOT NULL THEN masked(institution_code) END,
    CASE WHEN reason IS NOT NULL THEN CASE WHEN is_hash(id_hash) THEN id_hash ELSE masked(id_hash) END END,
    CASE WHEN reason IS NOT NULL THEN masked(result) END,
    masked(raw)
FROM judged;
