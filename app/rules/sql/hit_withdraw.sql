-- Withdraws hits that no longer hold after a correction, and records the step on each. Hits are locked before
-- customers, as everywhere.
WITH held AS (
    SELECT id FROM hit WHERE id = ANY (CAST(:ids AS bigint[])) AND live ORDER BY id FOR NO KEY UPDATE
), gone AS (
    UPDATE hit h
    SET status = 'withdrawn', former_status = h.status, withdrawn_at = app_now(now()), correction_id = :correction,
        updated_at = app_now(now())
    FROM held
    WHERE h.id = held.id
    RETURNING h.id, h.former_status
), noted AS (
    INSERT INTO hit_event (hit_id, kind, from_status, to_status, note, person)
    SELECT id, 'withdraw', former_status, 'withdrawn', :note, :system FROM gone ORDER BY id
)
SELECT count(*) FROM gone
