INSERT INTO outcome (outcome_id, lead_id, product_id, on_date, amount, margin, batch_id)
SELECT outcome_id, lead_id, product_id, on_date, amount, margin, :batch
FROM outcome_told
WHERE result = 'created'
ORDER BY on_date, row -- Rows that are read together are stored together.
