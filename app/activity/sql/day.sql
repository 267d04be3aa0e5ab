-- Selects the events of the date $day after the merge: current ones (view `current_day`) and incoming ones.
-- Rows are gathered before they are sorted: when one input of a union ends, a sort above it can't begin to spill any more.
WITH gathered AS MATERIALIZED (
    SELECT * FROM current_day ANTI JOIN replaced USING (rid)
    UNION ALL BY NAME
    SELECT * EXCLUDE (file_no, known) FROM incoming WHERE day = $day
)
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery
FROM gathered
ORDER BY person, happened_at, rid
