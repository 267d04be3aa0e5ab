-- Determines what the events (view `existing`) and duplicates (view `known_duplicates`) are without the delivery $delivery.
-- `commits` has the version that each delivery was committed with; events that don't know theirs are older than all.
CREATE OR REPLACE TEMP TABLE gone AS
FROM existing WHERE delivery = getvariable('delivery');

CREATE OR REPLACE TEMP TABLE gone_duplicates AS
FROM known_duplicates WHERE delivery = getvariable('delivery');

CREATE OR REPLACE TEMP TABLE heirs AS
FROM known_duplicates SEMI JOIN gone USING (rid) WHERE delivery IS DISTINCT FROM getvariable('delivery');

-- The events that count again: the order is that of the merge.
CREATE OR REPLACE TEMP TABLE revived AS
FROM heirs QUALIFY row_number() OVER (
    PARTITION BY rid ORDER BY happened_at, person, institution, type, ok, delivery NULLS FIRST
) = 1;

-- Whose events were accepted instead had the delivery never been: the first commit with the id accepted it.
CREATE OR REPLACE TEMP TABLE accepted_instead AS
WITH others AS (
    FROM heirs
    UNION ALL
    FROM existing SEMI JOIN gone_duplicates USING (rid)
    UNION ALL
    FROM known_duplicates SEMI JOIN gone_duplicates USING (rid) WHERE delivery IS DISTINCT FROM getvariable('delivery')
),
every AS (
    SELECT claims.*, coalesce(version, 0) AS version
    FROM (FROM others UNION ALL FROM gone UNION ALL FROM gone_duplicates) AS claims LEFT JOIN commits USING (delivery)
),
ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY rid ORDER BY version, happened_at, person, institution, type, ok, delivery NULLS FIRST
    ) AS place
    FROM every
)
SELECT second.delivery, second.day, count(*) AS events
FROM ranked AS first JOIN ranked AS second ON first.rid = second.rid AND first.place = 1 AND second.place = 2
WHERE first.delivery = getvariable('delivery')
GROUP BY ALL ORDER BY ALL;
