-- Nobody calls back a customer who has no open hit left.
UPDATE customer c SET call_back_at = NULL
FROM hit h
WHERE h.id = ANY (CAST(:ids AS bigint[])) AND c.id = h.lead_id AND c.open_hits = 0 AND c.call_back_at IS NOT NULL
