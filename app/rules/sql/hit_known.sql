-- The rule's hits of the leads that meet it: dates as numbers of days, and whether a hit of this version may have
-- other evidence now because its date is evaluated on other data (1), or is withdrawn (2).
SELECT h.id, h.lead_id AS lead, h.hit_date - DATE '0001-01-01' + 1 AS day,
       h.last_met_on - DATE '0001-01-01' + 1 AS last,
       CASE WHEN h.status = 'withdrawn' THEN 2 ELSE (h.version_id = :version AND h.hit_date BETWEEN :first AND :last
        AND coalesce(h.evidence ->> 'data_batch', '') <> :data_batch)::int END AS state
FROM hit_met m JOIN hit h ON h.rule_id = :rule AND h.lead_id = m.lead_id
