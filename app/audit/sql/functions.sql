-- Functions of the change log's triggers. Schema "audit" holds them and the log's partitions.

-- Refuses UPDATE, DELETE and TRUNCATE of the log itself to everybody.
CREATE OR REPLACE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the change log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

-- Sets an entry's number, transaction, database user and actor from the server, whatever the INSERT says.
CREATE OR REPLACE FUNCTION audit.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    actor text := nullif(current_setting('audit.actor', true), '');
BEGIN
    IF abs(extract(epoch FROM clock_timestamp() - NEW.time)) > 5 THEN
        RAISE EXCEPTION 'an entry of the change log bears the time of its writing'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.id := nextval('public.change_log_id_seq');
    NEW.xid := pg_current_xact_id()::text::bigint;
    NEW.db_user := session_user;
    IF actor IS NULL THEN
        NEW.actor := session_user;
        NEW.source := 'sql';
        NEW.address := coalesce(host(inet_client_addr()), '');
        NEW.request := left(current_setting('application_name'), 64);
    ELSE
        NEW.actor := left(actor, 128);
        NEW.source := left(coalesce(current_setting('audit.source', true), ''), 16);
        NEW.address := left(coalesce(current_setting('audit.address', true), ''), 64);
        NEW.request := left(coalesce(current_setting('audit.request', true), ''), 64);
    END IF;
    RETURN NEW;
END $$;

-- Replaces a long value by its digest.
CREATE OR REPLACE FUNCTION audit.shown(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(value::text) > 4000
           THEN jsonb_build_object('sha256', encode(sha256(convert_to(value::text, 'UTF8')), 'hex'))
           ELSE value END
$$;

-- Keeps the first character of a name and replaces each of the others by an asterisk.
CREATE OR REPLACE FUNCTION audit.masked(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'string'
           THEN to_jsonb(left(value #>> '{}', 1) || repeat('*', greatest(length(value #>> '{}') - 1, 0)))
           ELSE value END
$$;

-- Returns {field: [old, new]} of the fields that differ, and {field: "changed"} for a secret one.
CREATE OR REPLACE FUNCTION audit.fields(old jsonb, new jsonb, quiet text[], secret text[], masked text[])
RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, CASE
        WHEN key = ANY (secret) THEN '"changed"'::jsonb
        WHEN key = ANY (masked) THEN jsonb_build_array(audit.masked(old -> key), audit.masked(new -> key))
        ELSE jsonb_build_array(audit.shown(old -> key), audit.shown(new -> key)) END), '{}')
    FROM jsonb_object_keys(old || new) AS key
    WHERE key <> ALL (quiet) AND coalesce(old -> key, 'null') <> coalesce(new -> key, 'null')
$$;

-- Returns the key of a row as text; the parts of a composite key are joined by commas.
CREATE OR REPLACE FUNCTION audit.key(data jsonb, columns text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(CASE WHEN array_length(columns, 1) = 1 THEN data ->> columns[1]
           ELSE (SELECT string_agg(data ->> part, ',') FROM unnest(columns) AS part) END, 128)
$$;

-- Arguments of the next three: key columns, title column, quiet, secret and masked columns.
-- A statement on at most 100 rows leaves an entry for each row, a larger one a single entry with the number of
-- rows and a digest of what was written: SHA-256 over the SHA-256 of each row, in order.
CREATE OR REPLACE FUNCTION audit.note_insert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    few bigint;
BEGIN
    SELECT count(*) INTO few FROM (SELECT FROM new_rows LIMIT 101) AS first;
    IF few = 0 THEN
        RETURN NULL;
    ELSIF few <= 100 THEN
        INSERT INTO public.change_log (kind, object, object_id, title, changes)
        SELECT 'insert', TG_TABLE_NAME, audit.key(data, TG_ARGV[0]::text[]), left(data ->> TG_ARGV[1], 128),
               audit.fields('{}', data, TG_ARGV[2]::text[], TG_ARGV[3]::text[], TG_ARGV[4]::text[])
        FROM (SELECT to_jsonb(r) AS data FROM new_rows AS r) AS written;
    ELSE
        INSERT INTO public.change_log (kind, object, rows, digest)
        SELECT 'insert', TG_TABLE_NAME, count(*),
               encode(sha256(string_agg(sha256(record_send(r)), '')), 'hex')
        FROM new_rows AS r;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit.note_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    few bigint;
BEGIN
    SELECT count(*) INTO few FROM (SELECT FROM old_rows LIMIT 101) AS first;
    IF few = 0 THEN
        RETURN NULL;
    ELSIF few <= 100 THEN
        INSERT INTO public.change_log (kind, object, object_id, title, changes)
        SELECT 'delete', TG_TABLE_NAME, audit.key(data, TG_ARGV[0]::text[]), left(data ->> TG_ARGV[1], 128),
               audit.fields(data, '{}', TG_ARGV[2]::text[], TG_ARGV[3]::text[], TG_ARGV[4]::text[])
        FROM (SELECT to_jsonb(r) AS data FROM old_rows AS r) AS gone;
    ELSE
        INSERT INTO public.change_log (kind, object, rows, digest)
        SELECT 'delete', TG_TABLE_NAME, count(*),
               encode(sha256(string_agg(sha256(record_send(r)), '')), 'hex')
        FROM old_rows AS r;
    END IF;
    RETURN NULL;
END $$;

-- Both transition tables hold the rows in the order in which they were updated.
CREATE OR REPLACE FUNCTION audit.note_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    few bigint;
    olds refcursor;
    earlier jsonb;
    later jsonb;
    changed jsonb;
BEGIN
    SELECT count(*) INTO few FROM (SELECT FROM new_rows LIMIT 101) AS first;
    IF few = 0 THEN
        RETURN NULL;
    ELSIF few <= 100 THEN
        INSERT INTO public.change_log (kind, object, object_id, title, changes)
        SELECT 'update', TG_TABLE_NAME, audit.key(data, TG_ARGV[0]::text[]), left(data ->> TG_ARGV[1], 128),
               fields
        FROM (SELECT row_number() OVER () AS place, to_jsonb(r) AS data FROM new_rows AS r) AS new
        JOIN (SELECT row_number() OVER () AS place, to_jsonb(r) AS before FROM old_rows AS r) AS old
            USING (place),
        audit.fields(before, data, TG_ARGV[2]::text[], TG_ARGV[3]::text[], TG_ARGV[4]::text[]) AS fields
        WHERE fields <> '{}';
        RETURN NULL;
    END IF;
    -- Changes of progress columns alone leave no entry. The first row that changed otherwise tells which columns
    -- the statement is about. Both tables are read once, side by side: a join would compare every pair of rows.
    OPEN olds FOR SELECT to_jsonb(r) FROM old_rows AS r;
    FOR later IN SELECT to_jsonb(r) FROM new_rows AS r LOOP
        FETCH olds INTO earlier;
        IF later - TG_ARGV[2]::text[] <> earlier - TG_ARGV[2]::text[] THEN
            changed := to_jsonb(ARRAY(SELECT jsonb_object_keys(
                audit.fields(earlier, later, TG_ARGV[2]::text[], TG_ARGV[3]::text[], TG_ARGV[4]::text[])) ORDER BY 1));
            EXIT;
        END IF;
    END LOOP;
    CLOSE olds;
    IF changed IS NOT NULL THEN
        INSERT INTO public.change_log (kind, object, rows, digest, changes)
        SELECT 'update', TG_TABLE_NAME, count(*),
               encode(sha256(string_agg(sha256(record_send(r)), '')), 'hex'),
               jsonb_build_object('columns', changed)
        FROM new_rows AS r;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION audit.note_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.change_log (kind, object, rows) VALUES ('truncate', TG_TABLE_NAME, NULL);
    RETURN NULL;
END $$;
