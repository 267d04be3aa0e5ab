-- Counts a local day's contacts that the rules of their moments did not allow, from the rows.
INSERT INTO contact_statement (day, contacts, outside_hours, over_cap, opted_out, overrides, reported)
SELECT :day, count(*), count(*) FILTER (WHERE held && '{hours,calendar}' AND NOT allowed),
       count(*) FILTER (WHERE held && '{cap_channel,cap_total}'), count(*) FILTER (WHERE 'opted_out' = ANY (held)),
       (SELECT count(*) FROM hit_event
        WHERE kind = 'allow_call' AND at >= :begins AND at < :ends),
       (SELECT count(*) FROM outreach WHERE reported_at >= :begins AND reported_at < :ends)
FROM (
    SELECT contact_refusals(phone_index, id_hash, channel, reserved_at, id, true) AS held,
           channel = 'call' AND override_id IS NOT NULL
               AND contact_allowed(override_id, lead_id, reserved_at) AS allowed
    FROM outreach
    WHERE reserved_at >= :begins AND reserved_at < :ends AND reported_at IS NULL
      AND status NOT IN ('queued', 'held', 'dropped')
) AS made
ON CONFLICT (day) DO NOTHING
