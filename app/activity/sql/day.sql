-- Selects the events of the date $day after the merge: current ones (view `current_day`) and incoming ones.
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery
FROM (
    SELECT * FROM current_day ANTI JOIN replaced USING (rid)
    UNION ALL BY NAME
    SELECT * EXCLUDE (file_no, known) FROM incoming WHERE day = $day
)
ORDER BY person, happened_at, rid
