-- Marks owned customers whose contact is overdue as escalated and records the step on each open hit. A customer
-- somebody is just working on is skipped. Hits are locked before customers, as everywhere.
WITH held AS (
    SELECT h.id, h.lead_id
    FROM hit h JOIN customer c ON c.id = h.lead_id
    WHERE c.owner_id IS NOT NULL AND c.next_on < :last AND c.escalated_at IS NULL AND c.live AND c.state = 'open'
      AND h.status IN ('waiting', 'in_progress')
    ORDER BY h.id
    FOR NO KEY UPDATE OF h SKIP LOCKED
), late AS (
    SELECT c.id
    FROM customer c
    JOIN (SELECT lead_id, count(*) AS n FROM held GROUP BY lead_id) t ON t.lead_id = c.id AND t.n = c.open_hits
    WHERE c.owner_id IS NOT NULL AND c.next_on < :last AND c.escalated_at IS NULL
    FOR NO KEY UPDATE OF c SKIP LOCKED
), marked AS (
    UPDATE customer c SET escalated_at = :now
    FROM late l
    WHERE c.id = l.id
    RETURNING c.id, c.owner_id, c.next_on
), noted AS (
    INSERT INTO hit_event (hit_id, kind, from_status, to_status, owner, next_on, person)
    SELECT h.id, 'escalate', h.status, h.status, u.username, m.next_on, :system
    FROM marked m JOIN ab_user u ON u.id = m.owner_id
    JOIN hit h ON h.lead_id = m.id AND h.status IN ('waiting', 'in_progress')
    ORDER BY h.id
)
SELECT count(*) FROM marked
