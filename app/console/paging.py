"""Counting and paging of long lists without reading the whole table.

Counts stop at EXACT_UP_TO and go on as the planner's estimate. A page far down the lead list, in its
standing order, is reached from the nearest of its **marks**: every MARK_EVERY-th row of the list as it was
when the marks were made, corrected by what joined and left the list since.
"""

from __future__ import annotations

import bisect
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import has_request_context, request
from sqlalchemy import Select, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.lib import deadline
from app.models import Lead, ListMark

EXACT_UP_TO = 10_000
MARK_EVERY = 2_000
#: Marks are made anew when more rows than this have joined or left since.
MOST_CHANGES = 20_000
LEADS = "leads"
MARK_LOCK = 7005


class Count(int):
    """A number of rows; ``exact`` is false when it is an estimate."""

    exact: bool = True

    @classmethod
    def about(cls, number: int) -> Count:
        """An estimated number."""
        made = cls(number)
        made.exact = False
        return made


def counted(query: Any) -> Count:
    """How many rows an ORM query gives: exact up to EXACT_UP_TO, or when the request asks ``exact=1``."""
    if has_request_context() and request.args.get("exact") == "1":
        return exactly(query)
    inner = _keys(query)
    found = inner.session.scalar(select(func.count()).select_from(inner.limit(EXACT_UP_TO + 1).subquery()))
    if found <= EXACT_UP_TO:
        return Count(found)
    return Count.about(max(_estimate(inner), EXACT_UP_TO + 1))


def _keys(query: Any) -> Any:
    """The rows as bare keys; a constant instead of a key would lose the table of an unfiltered query."""
    return query.with_entities(query.column_descriptions[0]["entity"].id).order_by(None)


def counted_within(query: Any, seconds: float = deadline.SECONDS) -> Count:
    """How many rows an ORM query gives: exact when that takes no longer than ``seconds``, else estimated."""
    inner = _keys(query)
    counted = select(func.count()).select_from(inner.subquery())
    try:
        return Count(deadline.Patience(query.session, seconds).execute(counted)[0][0])
    except deadline.TookTooLong:
        return Count.about(_estimate(inner))


def exactly(query: Any) -> Count:
    """How many rows an ORM query gives, however long it takes."""
    inner = _keys(query)
    return Count(inner.session.scalar(select(func.count()).select_from(inner.subquery())))


def _estimate(query: Any) -> int:
    compiled = query.statement.compile(db.engine, compile_kwargs={"render_postcompile": True})
    cursor = query.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    plan = cursor.scalar_one()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Plan Rows"])


@dataclass(frozen=True)
class Mark:
    """The key of a row of the lead list, and where it now stands, counted from 0."""

    position: int
    created_at: dt.datetime
    id: int


def is_whole_list(query: Any) -> bool:
    """Whether the query is the lead list with no filter but "not deleted": its marks are of that list."""
    whole = query.session.query(Lead).filter(Lead.deleted_at.is_(None))
    return str(query.order_by(None).statement) == str(whole.statement)


def lead_page(offset: int, size: int) -> list[Any] | None:
    """Rows ``offset`` … of the whole lead list (newest first), or None when no mark leads there."""
    marks = current_marks()
    if not marks:
        return None
    mark = marks[max(bisect.bisect_right([mark.position for mark in marks], offset) - 1, 0)]
    if mark.position > offset:
        return None
    after = tuple_(Lead.created_at, Lead.id) <= tuple_(literal(mark.created_at), literal(mark.id))
    keys = (
        select(Lead.id)
        .where(Lead.deleted_at.is_(None), after)
        .order_by(Lead.created_at.desc(), Lead.id.desc())
        .offset(offset - mark.position)
        .limit(size)
    )
    return in_order(keys)


def in_order(keys: Any) -> list[Any]:
    """The leads with the keys a query gives, in their order: only the rows of the page are read whole."""
    wanted = list(db.session.scalars(keys if isinstance(keys, Select) else keys.statement))
    rows = {lead.id: lead for lead in db.session.scalars(select(Lead).where(Lead.id.in_(wanted)))}
    return [rows[key] for key in wanted if key in rows]


def current_marks() -> list[Mark]:
    """The marks with their present positions; empty when there are none or too much has changed since."""
    stored = db.session.scalars(
        select(ListMark).where(ListMark.list == LEADS).order_by(ListMark.position)
    ).all()
    if not stored:
        return []
    changes = _changes(stored[0].made_at, stored[0].last_id)
    if len(changes) > MOST_CHANGES:
        return []
    return [Mark(position, mark.created_at, mark.lead_id) for mark, position in _moved(stored, changes)]


def _changes(made_at: dt.datetime, last_id: int) -> list[tuple[dt.datetime, int, int]]:
    """Rows that joined (+1) or left (-1) the list since, newest first, at most one more than can be used."""
    joined = select(Lead.created_at, Lead.id, literal(1)).where(Lead.id > last_id, Lead.deleted_at.is_(None))
    left = select(Lead.created_at, Lead.id, literal(-1)).where(Lead.deleted_at >= made_at, Lead.id <= last_id)
    rows = db.session.execute(joined.union_all(left).limit(MOST_CHANGES + 1)).tuples().all()
    return sorted(rows, reverse=True)


def _moved(
    stored: Sequence[ListMark], changes: list[tuple[dt.datetime, int, int]]
) -> list[tuple[ListMark, int]]:
    """Each mark with its position corrected by the changes that stand before it in the list."""
    moved, shift, next_change = [], 0, 0
    for mark in stored:
        while next_change < len(changes) and changes[next_change][:2] > (mark.created_at, mark.lead_id):
            shift += changes[next_change][2]
            next_change += 1
        moved.append((mark, mark.position + shift))
    return moved


def refresh_marks() -> bool:
    """Make the marks of the lead list anew when it is long and has changed much; whether it did. Commits.

    What the ticker calls; a second process that makes them at the same time makes this one pass.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(MARK_LOCK))):
        db.session.rollback()
        return False
    stored = db.session.scalar(select(ListMark).where(ListMark.list == LEADS).limit(1))
    if stored is None:
        stale = db.session.scalar(select(func.max(Lead.id))) or 0
        fresh = stale <= EXACT_UP_TO
    else:
        fresh = len(_changes(stored.made_at, stored.last_id)) <= MOST_CHANGES // 2
    if not fresh:
        _make_marks()
    db.session.commit()
    return not fresh


def _make_marks() -> None:
    # Waits for writers at work, so that no row of theirs appears below last_id afterwards.
    db.session.execute(text("SET LOCAL lock_timeout = '5s'"))
    db.session.execute(text("LOCK TABLE lead IN SHARE MODE"))
    db.session.execute(ListMark.__table__.delete().where(ListMark.list == LEADS))
    ranked = (
        select(
            Lead.id,
            Lead.created_at,
            (func.row_number().over(order_by=(Lead.created_at.desc(), Lead.id.desc())) - 1).label("position"),
        )
        .where(Lead.deleted_at.is_(None))
        .subquery()
    )
    last_id = select(func.coalesce(func.max(Lead.id), 0)).scalar_subquery()
    marks = select(
        literal(LEADS), ranked.c.position, ranked.c.id, ranked.c.created_at, func.clock_timestamp(), last_id
    ).where(ranked.c.position % MARK_EVERY == 0)
    names = ["list", "position", "lead_id", "created_at", "made_at", "last_id"]
    db.session.execute(insert(ListMark).from_select(names, marks))
