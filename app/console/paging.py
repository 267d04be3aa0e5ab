"""Counting long lists without reading the whole table: beyond EXACT_UP_TO the planner's estimate."""

from __future__ import annotations

import json
from typing import Any

from flask import has_request_context, request
from sqlalchemy import func, select

from app.extensions import db
from app.lib import deadline

EXACT_UP_TO = 10_000


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
