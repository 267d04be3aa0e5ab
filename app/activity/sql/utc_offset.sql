-- What local times are ahead of UTC, if that is the same for all of these times; then none is left out or repeated.
SET VARIABLE utc_offset = (
    SELECT CASE WHEN min(ahead) = max(ahead) THEN min(ahead) END
    FROM (
        SELECT timezone(current_setting('TimeZone'), hour) - timezone('UTC', hour) AS ahead
        FROM bounds, generate_series(
            timezone('UTC', earliest - INTERVAL 2 DAY), timezone('UTC', latest + INTERVAL 2 DAY), INTERVAL 1 HOUR
        ) AS hours (hour)
    )
);
