-- Selects the duplicates of the date $day after the merge: known ones (view `known_duplicates`) and new ones.
-- They are gathered before they are sorted for the reason given in day.sql.
WITH gathered AS MATERIALIZED (FROM known_duplicates UNION ALL BY NAME FROM beaten WHERE day = $day)
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery
FROM gathered
ORDER BY rid, delivery
