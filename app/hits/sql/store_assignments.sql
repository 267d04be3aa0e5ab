-- Assigns hits to people and records each step. Locked hits are skipped instead of waited for, so that this
-- statement and a person who claims many hits at once can't block each other.
WITH free AS (
    SELECT h.id, c.owner_id
    FROM unnest(CAST(:hits AS bigint[]), CAST(:people AS integer[])) AS c (hit_id, owner_id)
    JOIN hit h ON h.id = c.hit_id
    WHERE h.owner_id IS NULL AND h.status = 'waiting'
    FOR NO KEY UPDATE OF h SKIP LOCKED
), given AS (
    UPDATE hit h
    SET owner_id = f.owner_id, claimed_at = now(), next_on = :next_on, updated_at = now()
    FROM free f
    WHERE h.id = f.id
    RETURNING h.id, h.owner_id, h.status
)
INSERT INTO hit_event (hit_id, kind, from_status, to_status, owner, next_on, person)
SELECT g.id, 'assign', g.status, g.status, u.username, :next_on, :system
FROM given g JOIN ab_user u ON u.id = g.owner_id
