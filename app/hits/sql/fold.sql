-- Folds the entries recorded since the last call into the counts. Readers see either all of them or none.
WITH gone AS (
    DELETE FROM hit_delta RETURNING hit_date, made_on, rule_id, grade, source, branch_id, status, converted, n
), cells AS (
    SELECT hit_date, made_on, rule_id, grade, source, branch_id, status, converted, sum(n) AS n
    FROM gone GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING sum(n) <> 0
), dated AS (
    INSERT INTO hit_count (hit_date, made_on, rule_id, grade, source, branch_id, status, converted, n)
    SELECT * FROM cells
    ORDER BY hit_date, made_on -- Rows that are read together are stored together.
    ON CONFLICT (hit_date, made_on, rule_id, grade, source, branch_id, status, converted)
    DO UPDATE SET n = hit_count.n + excluded.n
), total AS (
    INSERT INTO hit_total (rule_id, grade, source, branch_id, status, converted, n)
    SELECT rule_id, grade, source, branch_id, status, converted, sum(n) FROM cells GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (rule_id, grade, source, branch_id, status, converted)
    DO UPDATE SET n = hit_total.n + excluded.n
)
SELECT count(*) FROM gone
