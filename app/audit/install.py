"""Installation of the change log's triggers on every table, after each migration."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sqlalchemy import Connection, text

from app.audit import partitions
from app.audit.tables import EXCLUDED, AuditedTable
from app.jobs.locks import Lock, wait_for_lock
from app.lib import clock

FUNCTIONS = Path(__file__).parent / "sql" / "functions.sql"
#: trigger → when it fires, with the rows it reads, and its function
TRIGGERS = {
    "audit_insert": ("INSERT", "REFERENCING NEW TABLE AS new_rows", "note_insert"),
    "audit_update": ("UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows", "note_update"),
    "audit_delete": ("DELETE", "REFERENCING OLD TABLE AS old_rows", "note_delete"),
    "audit_truncate": ("TRUNCATE", "", "note_truncate"),
}
_TABLES = text("""
    SELECT c.relname AS table, a.attname AS column, a.atttypid = 'bytea'::regtype AS bytes,
           coalesce(a.attnum = ANY (i.indkey::int2[]), false) AS key
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    ORDER BY c.relname, a.attnum
""")
_PRESENT = text("""
    SELECT c.relname AS table, t.tgname AS name, t.tgargs AS arguments, t.tgenabled AS enabled
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND t.tgname LIKE 'audit\\_%' AND NOT t.tgisinternal
""")


def install(connection: Connection) -> list[str]:
    """Install the log's functions, partitions and triggers. Return the tables whose triggers were replaced.

    Runs in the connection's transaction and covers every table except EXCLUDED. Safe to repeat.
    """
    wait_for_lock(connection, Lock.AUDIT_INSTALL)
    connection.exec_driver_sql(FUNCTIONS.read_text("utf-8"))
    _protect_log(connection)
    partitions.ensure(connection, clock.unmoved(connection))
    wrong = set(tables_with_wrong_triggers(connection))
    stale = [audited for audited in audited_tables(connection) if audited.table in wrong]
    for audited in stale:
        _create_triggers(connection, audited)
    return [audited.table for audited in stale]


def audited_tables(connection: Connection) -> list[AuditedTable]:
    """Return the tables that the log covers, as they are at present."""
    columns: dict[str, list[str]] = defaultdict(list)
    keys: dict[str, list[str]] = defaultdict(list)
    binary: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(_TABLES):
        columns[row.table].append(row.column)
        if row.key:
            keys[row.table].append(row.column)
        if row.bytes:
            binary[row.table].append(row.column)
    return [
        AuditedTable(table, tuple(keys[table] or names), tuple(names), tuple(binary[table]))
        for table, names in columns.items()
        if table not in EXCLUDED
    ]


def tables_with_wrong_triggers(connection: Connection) -> list[str]:
    """Return the tables whose triggers are missing, disabled or out of date."""
    present = {
        (row.table, row.name): bytes(row.arguments).split(b"\0")[:-1]
        for row in connection.execute(_PRESENT)
        if row.enabled in ("O", b"O", "A", b"A")
    }
    return [
        audited.table
        for audited in audited_tables(connection)
        for name in TRIGGERS
        if present.get((audited.table, name)) != [each.encode() for each in audited.arguments]
    ]


def _create_triggers(connection: Connection, audited: AuditedTable) -> None:
    arguments = ", ".join(f"'{each}'" for each in audited.arguments)
    for name, (event, rows, function) in TRIGGERS.items():
        connection.exec_driver_sql(
            f'CREATE OR REPLACE TRIGGER {name} AFTER {event} ON public."{audited.table}" {rows}'
            f" FOR EACH STATEMENT EXECUTE FUNCTION audit.{function}({arguments})"
        )
        connection.exec_driver_sql(f'ALTER TABLE public."{audited.table}" ENABLE TRIGGER {name}')


def _protect_log(connection: Connection) -> None:
    """Install the triggers that stamp new entries and refuse changes and deletions of the log."""
    for table in ("change_log", "change_seal"):
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER audit_kept_rows BEFORE UPDATE OR DELETE ON public.{table}"
            " FOR EACH ROW EXECUTE FUNCTION audit.refuse()"
        )
        partitions.protect(connection, f"public.{table}")
    partitions.protect(connection, "audit.change_log_rest")
    connection.exec_driver_sql(
        "CREATE OR REPLACE TRIGGER audit_stamp BEFORE INSERT ON public.change_log"
        " FOR EACH ROW EXECUTE FUNCTION audit.stamp()"
    )
