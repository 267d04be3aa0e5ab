-- Determines what `checked` changes in the committed events (view `existing`).
-- Each request id has one event, the earliest. Among equally early ones the content decides, never the file order.
CREATE OR REPLACE TEMP VIEW sound AS SELECT * EXCLUDE rejected FROM checked WHERE rejected IS NULL;

CREATE OR REPLACE TEMP TABLE old AS
SELECT existing.* FROM existing SEMI JOIN sound USING (rid);

CREATE OR REPLACE TEMP TABLE contested AS
SELECT rid FROM sound GROUP BY rid HAVING count(*) > 1 UNION SELECT rid FROM old;

CREATE OR REPLACE TEMP TABLE winners AS
WITH claims AS (
    SELECT rid, person, institution, type, happened_at, day, hour, second, ok, file_no
    FROM sound SEMI JOIN contested USING (rid)
    UNION ALL
    SELECT rid, person, institution, type, happened_at, day, hour, second, ok, NULL FROM old
)
SELECT *, rid IN (SELECT rid FROM old) AS known
FROM claims
QUALIFY row_number() OVER (
    PARTITION BY rid ORDER BY happened_at, person, institution, type, ok, file_no NULLS FIRST
) = 1;

-- The events to write: new ones, and known ones that turned out to have happened earlier.
CREATE OR REPLACE TEMP VIEW incoming AS
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, file_no, false AS known
FROM sound ANTI JOIN contested USING (rid)
UNION ALL
SELECT rid, person, institution, type, happened_at, day, hour, second, ok, file_no, known
FROM winners WHERE file_no IS NOT NULL;

CREATE OR REPLACE TEMP TABLE replaced AS
SELECT rid, old.day AS old_day, winners.day AS new_day, winners.file_no
FROM old JOIN winners USING (rid) WHERE winners.file_no IS NOT NULL;
