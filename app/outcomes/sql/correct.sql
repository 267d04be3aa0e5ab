UPDATE outcome o
SET lead_id = t.lead_id, product_id = t.product_id, on_date = t.on_date, amount = t.amount, margin = t.margin,
    batch_id = :batch, told_at = app_now(now()), corrections = o.corrections + 1
FROM outcome_told t
WHERE t.result = 'corrected' AND o.id = t.current_id
