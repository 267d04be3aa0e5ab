-- Makes withdrawn hits that hold again live, and counts them by version and date: what was done on them stands
-- again. A waiting one follows the do-not-disturb list, as it would have meanwhile.
WITH back AS (
    UPDATE hit h
    SET status = h.former_status, former_status = NULL, withdrawn_at = NULL, correction_id = NULL,
        version_id = s.version_id, values = s.values, score = s.score, grade = s.grade, evidence = s.evidence,
        last_met_on = s.last_met_on, holdout = h.holdout OR s.holdout AND h.former_status = 'waiting',
        opted_out = CASE WHEN h.former_status = 'waiting' THEN l.opted_out ELSE h.opted_out END,
        outcome_on = h.outcome_on, -- Triggers find it again.
        updated_at = app_now(now())
    FROM hit_stage s JOIN rule_version v ON v.id = s.version_id JOIN lead l ON l.id = s.lead_id
    WHERE s.is_new AND h.rule_id = v.rule_id AND h.lead_id = s.lead_id AND h.hit_date = s.hit_date
      AND h.status = 'withdrawn'
    RETURNING h.id, h.version_id, h.hit_date, h.status
), noted AS (
    INSERT INTO hit_event (hit_id, kind, from_status, to_status, person)
    SELECT id, 'restore', 'withdrawn', status, :system FROM back ORDER BY id
)
SELECT version_id, hit_date, count(*) FROM back GROUP BY version_id, hit_date
