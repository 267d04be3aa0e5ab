"""The history of a row: entries of bulk statements that wrote it, and entries of related rows.

The entry of a bulk statement (an import, an evaluation, a bulk change) names no rows. It is found through the
row: by the import batches of a lead, by the transaction that last wrote the row, and by its time of creation.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_appbuilder import Model
from sqlalchemy import Table, cast, func, literal_column, select, text, union
from sqlalchemy.dialects.postgresql import JSONB

from app.extensions import db
from app.lib.row_id import row_id
from app.models import Approval, ChangeLog, Lead, LeadBefore, Reveal

#: a row that no batch names was created by the first bulk insert after its time of creation, within this time
MAX_DELAY = dt.timedelta(hours=1)
MAX_KEYS = 200
#: kind of approval → the table it is about, for approvals that change access
ACCESS = {"role_change": "ab_user", "role_permissions": "ab_role"}
_NEXT_XID = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


def bulk_entries_of(table: str, key: str) -> list[int]:
    """Return the ids of entries of bulk statements that wrote a row, one for each transaction and kind."""
    source: Table | None = Model.metadata.tables.get(table)
    id_ = row_id(key)
    if source is None or "id" not in source.c or id_ is None:
        return []
    columns: list[Any] = [literal_column("xmin::text::bigint").label("xmin")]
    columns += [source.c.created_at] if "created_at" in source.c else []
    row = db.session.execute(select(*columns).select_from(source).where(source.c.id == id_)).first()
    if row is None:
        return []
    is_bulk = (ChangeLog.object == table, ChangeLog.rows != 1)
    transactions = [_full_xid(row.xmin), *(transactions_of_batches(id_) if table == "lead" else [])]
    if "created_at" in source.c and not _has_own_insert(table, key):
        transactions += _first_bulk_insert(is_bulk, row.created_at)
    query = select(func.min(ChangeLog.id)).where(ChangeLog.xid.in_(transactions), *is_bulk)
    return sorted(db.session.scalars(query.group_by(ChangeLog.xid, ChangeLog.kind).limit(MAX_KEYS)))


def related_rows(table: str, key: str) -> dict[str, list[str]]:
    """Return by table the keys of the rows whose entries belong to a row's history, up to MAX_KEYS of each.

    A lead has the reveals of its number. A log-in has its present and former roles and the approvals of its
    access. A role has the approvals of its permissions.
    """
    id_ = row_id(key)
    if id_ is None:
        return {}
    kinds = [kind for kind, about in ACCESS.items() if about == table]
    related = {
        "reveal": _keys(Reveal, Reveal.lead_id == id_) if table == "lead" else [],
        "ab_user_role": _roles_of(id_) if table == "ab_user" else [],
        "approval": _keys(Approval, Approval.kind.in_(kinds), Approval.subject_id == id_) if kinds else [],
    }
    return {name: keys for name, keys in related.items() if keys}


def _keys(model: Any, *criteria: Any) -> list[str]:
    query = select(model.id).where(*criteria).order_by(model.id.desc()).limit(MAX_KEYS)
    return [str(each) for each in db.session.scalars(query)]


def _roles_of(user: int) -> list[str]:
    """Return the keys of a log-in's roles, including former ones, which only the log still names."""
    query = select(ChangeLog.object_id).where(
        ChangeLog.object == "ab_user_role",
        ChangeLog.object_id.is_not(None),
        ChangeLog.changes["user_id"].contains(cast(user, JSONB)),
    )
    return sorted(set(db.session.scalars(query.limit(MAX_KEYS))))


def last_title(table: str, key: str) -> str:
    """Return the last title that the log has of a row, empty when there is none."""
    query = select(ChangeLog.title).where(
        ChangeLog.object == table,
        ChangeLog.object_id == key,
        ChangeLog.kind.in_(("insert", "update", "delete")),
        ChangeLog.title != "",
    )
    return db.session.scalar(query.order_by(ChangeLog.time.desc(), ChangeLog.id.desc()).limit(1)) or ""


def _full_xid(short: int) -> int:
    """Extend the 32 bits of a transaction number that a row keeps to the 64 bits that entries have."""
    next_xid = int(db.session.execute(_NEXT_XID).scalar_one())
    number = (next_xid >> 32 << 32) + short
    return number if number < next_xid else number - 2**32


def transactions_of_batches(lead: int) -> list[int]:
    """Return the transactions with entries about the import batches that created or changed a lead."""
    batches: Any = union(
        select(Lead.batch_id).where(Lead.id == lead, Lead.batch_id.is_not(None)),
        select(LeadBefore.batch_id).where(LeadBefore.lead_id == lead),
    )
    keys = [str(batch) for batch in db.session.scalars(batches)]
    about = (ChangeLog.object == "import_batch", ChangeLog.object_id.in_(keys))
    return list(db.session.scalars(select(ChangeLog.xid).where(*about).distinct())) if keys else []


def _has_own_insert(table: str, key: str) -> bool:
    own = select(ChangeLog.id).where(
        ChangeLog.object == table, ChangeLog.object_id == key, ChangeLog.kind == "insert"
    )
    return db.session.scalar(own.limit(1)) is not None


def _first_bulk_insert(is_bulk: Any, created_at: dt.datetime) -> list[int]:
    """Return the transaction of the first bulk insert within MAX_DELAY of a row's creation, if any."""
    query = select(ChangeLog.xid).where(
        *is_bulk,
        ChangeLog.kind == "insert",
        ChangeLog.time >= created_at,
        ChangeLog.time < created_at + MAX_DELAY,
    )
    return list(db.session.scalars(query.order_by(ChangeLog.time, ChangeLog.id).limit(1)))
