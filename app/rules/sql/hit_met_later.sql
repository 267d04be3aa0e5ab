-- Within the cooldown no hit is made: the newest one says on which date it was last met.
UPDATE hit h SET last_met_on = met.last_on, updated_at = app_now(now())
FROM unnest(CAST(:ids AS bigint[]), CAST(:days AS date[])) AS met (id, last_on)
WHERE h.id = met.id
