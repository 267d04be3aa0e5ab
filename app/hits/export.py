"""Hits as rows of export files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import orjson
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.extensions import db
from app.models import Hit, Lead, Rule

COLUMNS = ("rule_code", "rule_version", "lead_no", "hit_date", "grade", "score", "status", "values")


def hits_between(first: dt.date | None, last: dt.date | None) -> Iterator[dict[str, object]]:
    """Yield the hits of live leads in a range of hit dates, both included, as dicts keyed by COLUMNS."""
    query = (
        select(Hit)
        .join(Lead)
        .join(Rule, Rule.id == Hit.rule_id)
        .where(Lead.deleted_at.is_(None))
        .options(joinedload(Hit.rule), joinedload(Hit.version), joinedload(Hit.lead))
        .order_by(Hit.hit_date, Rule.code, Lead.lead_no)
        .execution_options(yield_per=5000)
    )
    if first is not None:
        query = query.where(Hit.hit_date >= first)
    if last is not None:
        query = query.where(Hit.hit_date <= last)
    for hit in db.session.scalars(query):
        yield as_dict(hit)


def as_dict(hit: Hit) -> dict[str, object]:
    """Return a hit as a dict keyed by COLUMNS, ``values`` in the order of its version's conditions."""
    return {
        "rule_code": hit.rule.code,
        "rule_version": hit.version.number,
        "lead_no": hit.lead.lead_no,
        "hit_date": hit.hit_date.isoformat(),
        "grade": hit.grade,
        "score": round(hit.score, 4),
        "status": hit.status,
        "values": list(hit.values),
    }


def cells(row: dict[str, object]) -> tuple[str, ...]:
    """Return a hit's dict as the cells of a CSV row, with the values as a JSON list."""
    return tuple(
        orjson.dumps(value).decode() if isinstance(value, list) else str(value)
        for value in (row[column] for column in COLUMNS)
    )
