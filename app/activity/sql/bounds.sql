-- The earliest and the latest accepted local time of an event.
CREATE TABLE bounds AS
SELECT
    TIMESTAMP '2000-01-01' AS earliest,
    timezone(current_setting('TimeZone'), CAST($now AS TIMESTAMPTZ)) + INTERVAL 1 DAY AS latest;
