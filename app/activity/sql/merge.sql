-- Determines what `checked` changes in the committed events (view `existing`).
-- Each request id has one event, the earliest. Among equally early ones the content decides, never the file order.
-- The files' deliveries have the numbers from $first_delivery on.
CREATE OR REPLACE TEMP VIEW sound AS
SELECT * EXCLUDE rejected, CAST(file_no + getvariable('first_delivery') AS INTEGER) AS delivery
FROM checked WHERE rejected IS NULL;

CREATE OR REPLACE TEMP TABLE old AS
SELECT existing.* FROM existing SEMI JOIN sound USING (rid);

CREATE OR REPLACE TEMP TABLE contested AS
SELECT rid FROM sound GROUP BY rid HAVING count(*) > 1 UNION SELECT rid FROM old;

-- What claims a contested id, with its place among all claims and among those of its file.
CREATE OR REPLACE TEMP TABLE claims AS
WITH every AS (
    SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery, file_no
    FROM sound SEMI JOIN contested USING (rid)
    UNION ALL
    SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery, NULL FROM old
)
SELECT *, rid IN (SELECT rid FROM old) AS known,
    row_number() OVER (
        PARTITION BY rid ORDER BY happened_at, person, institution, type, ok, file_no NULLS FIRST
    ) AS place,
    row_number() OVER (PARTITION BY rid, file_no ORDER BY happened_at, person, institution, type, ok) AS own_place
FROM every;

CREATE OR REPLACE TEMP VIEW winners AS
SELECT * EXCLUDE (place, own_place) FROM claims WHERE place = 1;

-- The duplicates to keep: one of each file, as the others never count.
CREATE OR REPLACE TEMP TABLE beaten AS
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery
FROM claims WHERE place > 1 AND own_place = 1;

-- The duplicates whose content is not that of the event stored before or, without one, of the winner.
CREATE OR REPLACE TEMP VIEW other_content AS
WITH stored AS (FROM old UNION ALL BY NAME SELECT * EXCLUDE (file_no, known) FROM winners WHERE NOT known)
SELECT claims.file_no
FROM claims JOIN stored USING (rid)
WHERE claims.file_no IS NOT NULL AND row(
    claims.person, claims.institution, claims.type, claims.happened_at, claims.ok
) <> row(stored.person, stored.institution, stored.type, stored.happened_at, stored.ok);

-- The events to write: new ones, and known ones that turned out to have happened earlier.
CREATE OR REPLACE TEMP VIEW incoming AS
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery, file_no, false AS known
FROM sound ANTI JOIN contested USING (rid)
UNION ALL
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, delivery, file_no, known
FROM winners WHERE file_no IS NOT NULL;

CREATE OR REPLACE TEMP TABLE replaced AS
SELECT rid, old.day AS old_day, winners.day AS new_day, winners.file_no
FROM old JOIN winners USING (rid) WHERE winners.file_no IS NOT NULL;
