-- Makes people the owners of customers and records the step on each open hit. A customer somebody is just working
-- on is skipped instead of waited for. Hits are locked before customers, as everywhere.
WITH held AS (
    SELECT h.id, h.lead_id
    FROM hit h
    WHERE h.lead_id = ANY (CAST(:customers AS bigint[])) AND h.status IN ('waiting', 'in_progress')
    ORDER BY h.id
    FOR NO KEY UPDATE SKIP LOCKED
), free AS (
    SELECT c.id, p.owner_id
    FROM unnest(CAST(:customers AS bigint[]), CAST(:people AS integer[])) AS p (customer_id, owner_id)
    JOIN customer c ON c.id = p.customer_id
    JOIN (SELECT lead_id, count(*) AS n FROM held GROUP BY lead_id) t ON t.lead_id = c.id AND t.n = c.open_hits
    WHERE c.owner_id IS NULL AND c.live AND c.state = 'open'
    FOR NO KEY UPDATE OF c SKIP LOCKED
), given AS (
    UPDATE customer c
    SET owner_id = f.owner_id, owned_since = app_now(now()), next_on = :next_on
    FROM free f
    WHERE c.id = f.id
    RETURNING c.id, c.owner_id
), noted AS (
    INSERT INTO hit_event (hit_id, kind, from_status, to_status, owner, next_on, person)
    SELECT h.id, 'assign', h.status, h.status, u.username, :next_on, :system
    FROM given g JOIN ab_user u ON u.id = g.owner_id
    JOIN hit h ON h.lead_id = g.id AND h.status IN ('waiting', 'in_progress')
    ORDER BY h.id
)
SELECT count(*) FROM given
