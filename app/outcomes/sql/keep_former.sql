INSERT INTO outcome_former (current_id, lead_id, product_id, on_date, amount, margin, batch_id, told_at)
SELECT o.id, o.lead_id, o.product_id, o.on_date, o.amount, o.margin, o.batch_id, o.told_at
FROM outcome_told t JOIN outcome o ON o.id = t.current_id
WHERE t.result = 'corrected'
