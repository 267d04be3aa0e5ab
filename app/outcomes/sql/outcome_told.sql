-- What becomes of each staged row. Whose columns name different people names nobody. With :branches, leads and
-- outcomes of other branches count as not there.
CREATE TEMP TABLE outcome_told ON COMMIT DROP AS
SELECT s.row, s.outcome_id, m.lead_id, s.product_id, s.on_date, s.amount, s.margin, o.id AS current_id,
       CASE
           WHEN m.lead_id IS NULL OR (CAST(:branches AS integer[]) IS NOT NULL AND NOT coalesce(
               (SELECT c.branch_id = ANY (CAST(:branches AS integer[])) FROM lead c WHERE c.id = o.lead_id),
               o.id IS NULL)) THEN 'unmatched'
           WHEN o.id IS NULL THEN 'created'
           WHEN (o.lead_id, o.product_id, o.on_date, o.amount, o.margin)
               IS NOT DISTINCT FROM (m.lead_id, s.product_id, s.on_date, s.amount, s.margin) THEN 'existing'
           ELSE 'corrected'
       END AS result
FROM outcome_staging s
LEFT JOIN lead h ON s.id_hash <> '' AND h.id_hash = s.id_hash AND h.deleted_at IS NULL
    AND (CAST(:branches AS integer[]) IS NULL OR h.branch_id = ANY (CAST(:branches AS integer[])))
LEFT JOIN lead n ON s.lead_no <> '' AND n.lead_no = s.lead_no AND n.deleted_at IS NULL
    AND (CAST(:branches AS integer[]) IS NULL OR n.branch_id = ANY (CAST(:branches AS integer[])))
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.id_hash = '' THEN n.id WHEN s.lead_no = '' OR n.id = h.id THEN h.id END AS lead_id
) m
LEFT JOIN outcome o ON o.outcome_id = s.outcome_id
