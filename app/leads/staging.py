"""The SQL of an import: accepted rows are copied into a temporary table, then merged by sets.

Everything runs in the transaction of the connection given; the temporary table goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from app.leads.rows import StagedLead

_COLUMN_TYPES = dict.fromkeys(StagedLead._fields, "text") | {"row": "int8", "phone_cipher": "bytea"}
_CREATE = (
    "CREATE TEMP TABLE lead_staging ("
    + ", ".join(f'"{name}" {kind} NOT NULL' for name, kind in _COLUMN_TYPES.items())
    + ") ON COMMIT DROP"
)
# The table lock, not an advisory one: screens that add a lead must wait too, or a person or a number
# could be taken between the look-up and the insert. Readers and foreign keys are not held up.
_LOCK = text("LOCK TABLE lead IN SHARE ROW EXCLUSIVE MODE")

_CREATE_BRANCHES = text("""
    INSERT INTO branch (code, name)
    SELECT named.branch, named.branch
    FROM (SELECT DISTINCT branch FROM lead_staging WHERE branch <> '') AS named
    WHERE NOT EXISTS (SELECT FROM branch b WHERE named.branch IN (b.code, b.name))
    ORDER BY named.branch
    ON CONFLICT (code) DO NOTHING
    RETURNING id
""")
_SET_PATH = text("UPDATE branch SET path = '/' || id || '/' WHERE id = ANY(:ids)")
_BRANCH_OF = """
    branch_of AS MATERIALIZED (
        SELECT named.branch,
               (SELECT b.id FROM branch b WHERE named.branch IN (b.code, b.name)
                ORDER BY (b.code = named.branch) DESC, b.id LIMIT 1) AS branch_id
        FROM (SELECT DISTINCT branch FROM lead_staging WHERE branch <> '') AS named
    )
"""
# Only the constant above goes into the two statements that share it.
_UPDATE = text(f"""
    WITH {_BRANCH_OF},
    given AS (SELECT s.*, n.branch_id FROM lead_staging s LEFT JOIN branch_of n USING (branch))
    UPDATE lead SET
        name = given.name,
        phone_cipher = CASE WHEN lead.phone_index = given.phone_index
                            THEN lead.phone_cipher ELSE given.phone_cipher END,
        phone_index = given.phone_index,
        phone_masked = given.phone_masked,
        source = coalesce(nullif(given.source, ''), lead.source),
        branch_id = coalesce(given.branch_id, lead.branch_id),
        updated_at = now()
    FROM given
    WHERE lead.id_hash = given.id_hash AND lead.deleted_at IS NULL
      AND (lead.name <> given.name
           OR lead.phone_index <> given.phone_index
           OR (given.source <> '' AND lead.source <> given.source)
           OR (given.branch_id IS NOT NULL AND lead.branch_id IS DISTINCT FROM given.branch_id))
""")  # noqa: S608
_DROP_KNOWN = text("""
    DELETE FROM lead_staging s USING lead
    WHERE lead.id_hash = s.id_hash AND lead.deleted_at IS NULL
""")
# Numbers of our own form that the file brings must stay behind the sequence, or it would hand them out
# again. Longer digit strings are out of its reach and would only spoil it.
_ADVANCE_NUMBERS = text("""
    SELECT setval('lead_no_seq', brought.highest)
    FROM (SELECT max(substr(lead_no, 2)::bigint) AS highest
          FROM lead_staging WHERE lead_no ~ '^L[0-9]{1,9}$') AS brought, lead_no_seq
    WHERE brought.highest > lead_no_seq.last_value
""")
_INSERT = text(f"""
    WITH {_BRANCH_OF},
    numbered AS (
        SELECT s.*, s.lead_no <> ''
               AND row_number() OVER (PARTITION BY s.lead_no ORDER BY s.row) = 1
               AND NOT EXISTS (SELECT FROM lead l
                               WHERE l.lead_no = s.lead_no AND l.deleted_at IS NULL) AS number_free
        FROM lead_staging s
    ),
    fresh AS (SELECT * FROM numbered LEFT JOIN branch_of USING (branch) ORDER BY row)
    INSERT INTO lead (lead_no, name, id_hash, phone_cipher, phone_index, phone_masked, source,
                      branch_id, batch_id)
    SELECT CASE WHEN number_free THEN lead_no ELSE 'L' || nextval('lead_no_seq') END, name, id_hash,
           phone_cipher, phone_index, phone_masked, source, branch_id, :batch
    FROM fresh
""")  # noqa: S608
_COUNT = text("SELECT count(*) FROM lead_staging")


class Merged(NamedTuple):
    """How many staged people were created, changed, or on the list already and left alone."""

    created: int
    updated: int
    existing: int


def stage(connection: Connection, rows: Iterable[StagedLead]) -> None:
    """Copy ``rows`` into the temporary table ``lead_staging``, as they come."""
    connection.exec_driver_sql(_CREATE)
    raw: Any = connection.connection.driver_connection
    columns = ", ".join(f'"{name}"' for name in _COLUMN_TYPES)
    into = f"COPY lead_staging ({columns}) FROM STDIN (FORMAT BINARY)"
    with raw.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types(list(_COLUMN_TYPES.values()))
        for row in rows:
            copy.write_row(row)
    # Temporary tables are never analysed by themselves, and the plans depend on it.
    connection.exec_driver_sql("ANALYZE lead_staging")


def merge(connection: Connection, batch_id: int, *, update: bool) -> Merged:
    """Bring the staged people onto the list."""
    connection.execute(_LOCK)
    updated, existing = _merge_known(connection, update=update)
    ensure_branches(connection)
    connection.execute(_ADVANCE_NUMBERS)
    created = connection.execute(_INSERT, {"batch": batch_id}).rowcount
    return Merged(created, updated, existing)


def merge_dry(connection: Connection, *, update: bool) -> Merged:
    """What ``merge`` would do; the caller rolls the transaction back."""
    updated, existing = _merge_known(connection, update=update)
    return Merged(connection.scalar(_COUNT) or 0, updated, existing)


def ensure_branches(connection: Connection) -> None:
    """Create, at the top level, every branch that a staged row names and no code or name matches."""
    created = list(connection.scalars(_CREATE_BRANCHES))
    if created:
        connection.execute(_SET_PATH, {"ids": created})


def _merge_known(connection: Connection, *, update: bool) -> tuple[int, int]:
    updated = 0
    if update:
        ensure_branches(connection)
        updated = connection.execute(_UPDATE).rowcount
    known = connection.execute(_DROP_KNOWN).rowcount
    return updated, known - updated
