"""Entries about many rows that a row was one of: how an import, an evaluation or a bulk change touched it.

Such an entry names no row. The row tells which it was: by the import batches it names, by the transaction
that wrote it last, and by when it was made.
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

#: a row that no batch names was made in the first such statement since, so long after at most
LONGEST = dt.timedelta(hours=1)
MOST = 200
#: kind of request for approval → the table it is about, of those that change what people may do
ACCESS = {"role_change": "ab_user", "role_permissions": "ab_role"}
_BEYOND = text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


def statements_about(table: str, key: str) -> list[int]:
    """The ids of entries about many rows of a table, one a transaction, in which this row was written."""
    found: Table | None = Model.metadata.tables.get(table)
    known = row_id(key)
    if found is None or "id" not in found.c or known is None:
        return []
    columns: list[Any] = [literal_column("xmin::text::bigint").label("xmin")]
    columns += [found.c.created_at] if "created_at" in found.c else []
    row = db.session.execute(select(*columns).select_from(found).where(found.c.id == known)).first()
    if row is None:
        return []
    many = (ChangeLog.object == table, ChangeLog.rows != 1)
    written = [_transaction(row.xmin), *(_transactions_of_batches(known) if table == "lead" else [])]
    if "created_at" in found.c and not _made_alone(table, key):
        written += _first_since(many, row.created_at)
    query = select(func.min(ChangeLog.id)).where(ChangeLog.xid.in_(written), *many)
    return sorted(db.session.scalars(query.group_by(ChangeLog.xid, ChangeLog.kind).limit(MOST)))


def rows_belonging(table: str, key: str) -> dict[str, list[str]]:
    """Keys by table of the rows whose entries belong to the history of a row, at most MOST of each table.

    Of a lead the looks at its number; of a log-in the roles it has or had, and requests about its access; of
    a role requests about its permissions.
    """
    known = row_id(key)
    if known is None:
        return {}
    kinds = [kind for kind, about in ACCESS.items() if about == table]
    found = {
        "reveal": _keys(Reveal, Reveal.lead_id == known) if table == "lead" else [],
        "ab_user_role": _roles_of(known) if table == "ab_user" else [],
        "approval": _keys(Approval, Approval.kind.in_(kinds), Approval.subject_id == known) if kinds else [],
    }
    return {name: keys for name, keys in found.items() if keys}


def _keys(model: Any, *criteria: Any) -> list[str]:
    query = select(model.id).where(*criteria).order_by(model.id.desc()).limit(MOST)
    return [str(each) for each in db.session.scalars(query)]


def _roles_of(user: int) -> list[str]:
    """Of the rows that are gone, too: the log names the log-in when a role is given and when it is taken."""
    query = select(ChangeLog.object_id).where(
        ChangeLog.object == "ab_user_role",
        ChangeLog.object_id.is_not(None),
        ChangeLog.changes["user_id"].contains(cast(user, JSONB)),
    )
    return sorted(set(db.session.scalars(query.limit(MOST))))


def last_title(table: str, key: str) -> str:
    """What the log last called a row; empty when it never named it."""
    query = select(ChangeLog.title).where(
        ChangeLog.object == table,
        ChangeLog.object_id == key,
        ChangeLog.kind.in_(("insert", "update", "delete")),
        ChangeLog.title != "",
    )
    return db.session.scalar(query.order_by(ChangeLog.time.desc(), ChangeLog.id.desc()).limit(1)) or ""


def _transaction(short: int) -> int:
    """The number of a transaction as entries have it, of the 32 bits that a row keeps."""
    beyond = int(db.session.execute(_BEYOND).scalar_one())
    number = (beyond >> 32 << 32) + short
    return number if number < beyond else number - 2**32


def _transactions_of_batches(lead: int) -> list[int]:
    """The transactions that wrote about the import batches which made or changed a lead."""
    batches: Any = union(
        select(Lead.batch_id).where(Lead.id == lead, Lead.batch_id.is_not(None)),
        select(LeadBefore.batch_id).where(LeadBefore.lead_id == lead),
    )
    keys = [str(batch) for batch in db.session.scalars(batches)]
    about = (ChangeLog.object == "import_batch", ChangeLog.object_id.in_(keys))
    return list(db.session.scalars(select(ChangeLog.xid).where(*about).distinct())) if keys else []


def _made_alone(table: str, key: str) -> bool:
    own = select(ChangeLog.id).where(
        ChangeLog.object == table, ChangeLog.object_id == key, ChangeLog.kind == "insert"
    )
    return db.session.scalar(own.limit(1)) is not None


def _first_since(many: Any, made: dt.datetime) -> list[int]:
    """The transaction of the first insertion of many rows since a row was made."""
    query = select(ChangeLog.xid).where(
        *many, ChangeLog.kind == "insert", ChangeLog.time >= made, ChangeLog.time < made + LONGEST
    )
    return list(db.session.scalars(query.order_by(ChangeLog.time, ChangeLog.id).limit(1)))
