-- Local times of events are from the first of these on and before or at the second.
CREATE TABLE bounds AS
SELECT
    TIMESTAMP '2000-01-01' AS earliest,
    timezone(current_setting('TimeZone'), CAST($now AS TIMESTAMPTZ)) + INTERVAL 1 DAY AS latest;
