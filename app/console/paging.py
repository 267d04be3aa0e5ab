"""Row counts of long lists: exact up to EXACT_UP_TO, beyond that the planner's estimate."""

from __future__ import annotations

import json
from typing import Any

from flask import has_request_context, request
from sqlalchemy import func, select

from app.extensions import db
from app.lib.deadline import SECONDS, Deadline, DeadlineExceeded

EXACT_UP_TO = 10_000


class Count(int):
    """A number of rows; ``exact`` is False for an estimate."""

    exact: bool = True

    @classmethod
    def estimate(cls, number: int) -> Count:
        """Return a number marked as an estimate."""
        count = cls(number)
        count.exact = False
        return count


def count_rows(query: Any) -> Count:
    """Count the rows of an ORM query, exactly up to EXACT_UP_TO or when the request asks ``exact=1``."""
    if has_request_context() and request.args.get("exact") == "1":
        return count_exactly(query)
    inner = _keys(query)
    number = inner.session.scalar(select(func.count()).select_from(inner.limit(EXACT_UP_TO + 1).subquery()))
    if number <= EXACT_UP_TO:
        return Count(number)
    return Count.estimate(max(_estimate(inner), EXACT_UP_TO + 1))


def _keys(query: Any) -> Any:
    """Return the query with bare keys; with a constant instead, an unfiltered query would lose its table."""
    return query.with_entities(query.column_descriptions[0]["entity"].id).order_by(None)


def count_up_to(query: Any, most: int) -> Count:
    """Count the rows of an ORM query exactly up to ``most``, else say that there are more."""
    inner = _keys(query)
    number = inner.session.scalar(select(func.count()).select_from(inner.limit(most + 1).subquery()))
    return Count(number) if number <= most else Count.estimate(most)


def count_within(query: Any, seconds: float = SECONDS) -> Count:
    """Count the rows of an ORM query, exactly when that takes at most ``seconds``, else by an estimate."""
    inner = _keys(query)
    statement = select(func.count()).select_from(inner.subquery())
    try:
        return Count(Deadline(query.session, seconds).execute(statement)[0][0])
    except DeadlineExceeded:
        return Count.estimate(_estimate(inner))


def count_exactly(query: Any) -> Count:
    """Count the rows of an ORM query exactly, however long it takes."""
    inner = _keys(query)
    return Count(inner.session.scalar(select(func.count()).select_from(inner.subquery())))


def _estimate(query: Any) -> int:
    compiled = query.statement.compile(db.engine, compile_kwargs={"render_postcompile": True})
    cursor = query.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    plan = cursor.scalar_one()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Plan Rows"])
