-- Selects the duplicates of the date $day after the merge: known ones (view `known_duplicates`) and new ones.
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery
FROM (FROM known_duplicates UNION ALL BY NAME FROM beaten WHERE day = $day)
ORDER BY rid, delivery
