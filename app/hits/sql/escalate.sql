-- Marks overdue open hits as escalated and records each step. Hits locked by somebody working on them are skipped.
WITH late AS (
    SELECT h.id
    FROM hit h JOIN lead l ON l.id = h.lead_id AND l.deleted_at IS NULL
    WHERE h.owner_id IS NOT NULL AND h.status IN ('waiting', 'in_progress')
      AND h.next_on < :last AND h.escalated_at IS NULL
    FOR NO KEY UPDATE OF h SKIP LOCKED
), marked AS (
    UPDATE hit h SET escalated_at = :now
    FROM late t
    WHERE h.id = t.id
    RETURNING h.id, h.status, h.owner_id, h.next_on
)
INSERT INTO hit_event (hit_id, kind, from_status, to_status, owner, next_on, person)
SELECT m.id, 'escalate', m.status, m.status, u.username, m.next_on, :system
FROM marked m JOIN ab_user u ON u.id = m.owner_id
