-- What the database itself demands of a contact that goes to sending, whoever writes it.
-- Tables are named with their schema, so that no temporary table stands in for them.

-- Returns why nobody may be contacted at a local moment, null when people may be: "hours", or "calendar" for a date
-- that the calendar does not know. With "known", as the bank's own holidays were then.
CREATE OR REPLACE FUNCTION public.contact_closed(rules jsonb, moment timestamp, known timestamptz DEFAULT 'infinity')
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN moment::time::interval < (rules ->> 'open_from')::interval
          OR moment::time::interval >= (rules ->> 'open_to')::interval THEN 'hours'
        WHEN (rules ->> 'skip_holidays')::boolean THEN
            (SELECT CASE coalesce(
                (SELECT kind FROM public.holiday WHERE date = moment::date AND updated_at <= known),
                (SELECT kind FROM public.calendar_day WHERE date = moment::date), '')
            WHEN 'holiday' THEN 'hours' WHEN '' THEN 'calendar' END)
        END
$$;

-- Returns the outreach rules in force, or those that were at a moment; what a version does not say is a default.
CREATE OR REPLACE FUNCTION public.contact_rules(moment timestamptz DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT '{defaults}'::jsonb || coalesce(
        CASE WHEN moment IS NULL
        THEN (SELECT values FROM public.outreach_setting WHERE status = 'active')
        ELSE (SELECT values FROM public.outreach_setting WHERE activated_at <= moment
              ORDER BY activated_at DESC, id DESC LIMIT 1)
        END, '{}')
$$;

-- Returns which rules hold a contact of a person back at a moment, in order of precedence. The contact "but" itself
-- does not count towards caps. Not STABLE: rows that the same statement has written before count. With "past", it
-- judges a contact that was made by what was so at its moment.
CREATE OR REPLACE FUNCTION public.contact_refusals(
    phone text, hash text, by_channel text, moment timestamptz, but bigint, past boolean DEFAULT false
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    rules jsonb := public.contact_rules(CASE WHEN past THEN moment END);
    zone text := (SELECT zone FROM public.app_clock);
    local timestamp := moment AT TIME ZONE zone;
    channel_cap int := (rules ->> (by_channel || '_cap'))::int;
    total_cap int := (rules ->> 'total_cap')::int;
    channel_from timestamptz;
    total_from timestamptz;
    of_channel bigint := 0;
    of_all bigint := 0;
    hits bigint[];
    calls record;
    found text[] := '{}';
BEGIN
    IF EXISTS (
        SELECT FROM public.suppression s
        WHERE (s.phone_index = phone OR s.id_hash = hash)
          AND (s.expires_on IS NULL OR s.expires_on >= local::date)
          AND CASE WHEN past THEN s.since <= moment AND coalesce(s.removed_at > moment, true)
              ELSE s.removed_at IS NULL END
    ) THEN
        found := found || 'opted_out'::text;
    END IF;
    -- Journeys have no caps while nobody has set any rules.
    IF NOT EXISTS (
        SELECT FROM public.outreach_setting
        WHERE CASE WHEN past THEN activated_at <= moment ELSE status = 'active' END
    ) AND EXISTS (
        SELECT FROM public.outreach o JOIN public.outreach_batch b ON b.id = o.batch_id
        WHERE o.id = but AND b.journey_version_id IS NOT NULL
    ) THEN
        channel_cap := NULL;
        total_cap := NULL;
    END IF;
    IF channel_cap IS NOT NULL OR total_cap IS NOT NULL THEN
        channel_from := (local::date - ((rules ->> (by_channel || '_days'))::int - 1))::timestamp AT TIME ZONE zone;
        total_from := (local::date - ((rules ->> 'total_days')::int - 1))::timestamp AT TIME ZONE zone;
        SELECT count(*) FILTER (WHERE o.channel = by_channel AND o.reserved_at >= channel_from),
               count(*) FILTER (WHERE o.reserved_at >= total_from) INTO of_channel, of_all
        FROM public.outreach o
        WHERE (o.phone_index = phone OR o.id_hash = hash)
          AND o.reserved_at >= least(channel_from, total_from) AND o.status <> 'failed' AND o.id <> but
          AND (NOT past OR (o.reserved_at, o.id) < (moment, but) AND coalesce(o.reported_at <= moment, true));
        -- Calls by hand: each moment once, though it closed several hits, and not when a call that was placed
        -- within the day before is the one it tells of (app/outreach/compliance.py).
        IF total_cap IS NOT NULL OR by_channel = 'call' THEN
            hits := ARRAY(
                SELECT h.id FROM public.hit h JOIN public.lead l ON l.id = h.lead_id
                WHERE l.phone_index = phone
                   OR l.id_hash = hash AND l.deleted_at IS NULL
                   OR l.id_hash = hash AND l.deleted_at IS NOT NULL);
            SELECT count(DISTINCT e.at) FILTER (WHERE e.at >= channel_from) AS of_channel,
                   count(DISTINCT e.at) FILTER (WHERE e.at >= total_from) AS of_all INTO calls
            FROM public.hit_event e
            WHERE e.hit_id = ANY (hits) AND e.at >= least(channel_from, total_from)
              -- One that was being stored while the contact was judged was not there yet.
              AND (NOT past OR e.at < moment - interval '1 minute')
              AND e.result_id IS NOT NULL AND e.undoes_at IS NULL
              AND NOT EXISTS (SELECT FROM public.hit_event u WHERE u.hit_id = e.hit_id AND u.undoes_at = e.at)
              AND NOT EXISTS (
                  SELECT FROM public.outreach p
                  WHERE p.channel = 'call' AND p.status <> 'failed' AND p.id <> but
                    AND p.reserved_at BETWEEN e.at - interval '1 day' AND e.at
                    AND (p.phone_index = phone OR p.id_hash = hash));
            of_all := of_all + calls.of_all;
            IF by_channel = 'call' THEN
                of_channel := of_channel + calls.of_channel;
            END IF;
        END IF;
        IF of_channel >= channel_cap THEN
            found := found || 'cap_channel'::text;
        END IF;
        IF of_all >= total_cap THEN
            found := found || 'cap_total'::text;
        END IF;
    END IF;
    RETURN array_remove(
        found || public.contact_closed(rules, local, CASE WHEN past THEN moment ELSE 'infinity' END), NULL);
END $$;

-- Whether a call outside contact hours was approved for a lead on the local date of a moment.
CREATE OR REPLACE FUNCTION public.contact_allowed(override bigint, the_lead bigint, moment timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.hit_event e
        JOIN public.hit h ON h.id = e.hit_id
        CROSS JOIN public.app_clock c
        WHERE e.id = override AND e.kind = 'allow_call' AND h.lead_id = the_lead
          AND e.at <= moment AND (e.at AT TIME ZONE c.zone)::date = (moment AT TIME ZONE c.zone)::date
          AND NOT EXISTS (
              SELECT FROM public.hit_event u
              WHERE u.hit_id = e.hit_id AND u.undoes_at = e.at AND u.at <= moment))
$$;

-- Refuses a contact's transition to sending at a forbidden moment, and stamps its moment. A contact that is told
-- without having gone through sending is marked as reported. Neither can be changed afterwards.
CREATE OR REPLACE FUNCTION public.contact_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before text := CASE TG_OP WHEN 'UPDATE' THEN OLD.status ELSE '' END;
    moment timestamptz;
    held text[];
    starts timestamptz;
    marked boolean;
    made constant text[] := '{unknown,sent,delivered,no_answer,answered,refused,interested,opt_out,converted}';
BEGIN
    IF NEW.status = 'sending' AND before <> 'sending' THEN
        -- Under a stricter isolation it would not see what others have sent since the transaction began.
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'contacts go to sending in transactions of isolation READ COMMITTED only'
                USING ERRCODE = 'check_violation';
        END IF;
        -- Rules, holidays and the do-not-disturb list stand still until the transaction ends, and so do others'
        -- contacts of the person.
        PERFORM pg_advisory_xact_lock_shared({rules_lock}, 0);
        SELECT phone_index, id_hash, opted_out INTO NEW.phone_index, NEW.id_hash, marked
        FROM public.lead WHERE id = NEW.lead_id;
        PERFORM pg_advisory_xact_lock({person_lock}, k)
        FROM (SELECT DISTINCT hashtext(p) AS k FROM unnest(ARRAY[NEW.phone_index, NEW.id_hash]) AS p ORDER BY 1) AS o;
        moment := public.app_now();
        held := public.contact_refusals(NEW.phone_index, NEW.id_hash, NEW.channel, moment, NEW.id);
        IF marked AND NOT 'opted_out' = ANY (held) THEN
            held := 'opted_out'::text || held;
        END IF;
        IF held && '{hours,calendar}' AND NEW.override_id IS NOT NULL AND NEW.channel = 'call'
           AND public.contact_allowed(NEW.override_id, NEW.lead_id, moment) THEN
            held := array_remove(array_remove(held, 'hours'), 'calendar');
        END IF;
        SELECT send_at INTO starts FROM public.outreach_batch WHERE id = NEW.batch_id;
        IF starts > moment THEN
            held := held || 'start'::text;
        END IF;
        IF held <> '{}' THEN
            RAISE EXCEPTION 'contact % may not be made at %: %', NEW.id, moment, array_to_string(held, ', ')
                USING ERRCODE = 'check_violation', TABLE = 'outreach', CONSTRAINT = 'contact_guard',
                      COLUMN = held[1], DETAIL = NEW.id;
        END IF;
        NEW.reserved_at := moment;
        NEW.reported_at := NULL;
    ELSIF before = 'sending' OR before = ANY (made) THEN
        IF NEW.status IN ('held', 'queued', 'dropped') AND before NOT IN ('sending', 'unknown') THEN
            RAISE EXCEPTION 'contact % was made and stays so', NEW.id USING ERRCODE = 'check_violation';
        END IF;
        NEW.reported_at := OLD.reported_at;
        IF NEW.status NOT IN ('held', 'queued', 'dropped') THEN
            NEW.reserved_at := OLD.reserved_at;
            NEW.override_id := OLD.override_id;
        END IF;
    ELSIF NEW.status = ANY (made) THEN
        NEW.reported_at := public.app_now();
        NEW.reserved_at := coalesce(NEW.reserved_at, NEW.sent_at, NEW.reported_at);
    ELSE
        NEW.reported_at := NULL;
    END IF;
    RETURN NEW;
END $$;

-- What a contact is judged by changes while no contact is being judged.
CREATE OR REPLACE FUNCTION public.contact_rules_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({rules_lock}, 0);
    RETURN NULL;
END $$;

-- A version of the outreach rules is in force from the moment at which no contact is judged by the former one.
CREATE OR REPLACE FUNCTION public.contact_rules_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'active' AND (TG_OP = 'INSERT' OR OLD.status <> 'active')
       AND coalesce(NEW.activated_at, 'infinity') >= public.app_now(now()) THEN
        NEW.activated_at := public.app_now();
    END IF;
    RETURN NEW;
END $$;
