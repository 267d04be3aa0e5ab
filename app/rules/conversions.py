"""Conversions: the single definition of success for pages, reports, comparisons and back-tests.

Once outcomes have been delivered they alone count, for every customer alike: a hit converts when an outcome
of its lead, of the products that its rule version counts, is dated from the hit date to as many days later as
the outreach rules say, both included. What marketers marked are claims, which stand in as long as there is no
outcome at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from app.extensions import db
from app.lib import clock
from app.models import Hit, HitStatus, Lead, Outcome, OutreachSetting, Product, VersionStatus
from app.segments.value import margin
from config import Settings

#: conversion days while nobody has set any
DEFAULT_DAYS = 30
#: hits counted again in one transaction
CHUNK = 50_000
_IN_FORCE = OutreachSetting.status == VersionStatus.ACTIVE


def judged_by_outcomes() -> bool:
    """Whether any outcome has been delivered, so that outcomes and not claims count."""
    return bool(db.session.scalar(select(exists(select(Outcome.id)))))


def days() -> int:
    """Return the days within which an outcome makes a hit a conversion, both ends included."""
    stored = OutreachSetting.values["conversion_days"].astext.cast(Integer)
    found = db.session.scalar(select(stored).where(_IN_FORCE))
    return DEFAULT_DAYS if found is None else found


def recounting() -> bool:
    """Whether the conversions of hits are still those of the conversion days before."""
    waiting = select(OutreachSetting.id).where(_IN_FORCE, OutreachSetting.recounted_at.is_(None))
    return bool(db.session.scalar(select(exists(waiting))))


def recount() -> int:
    """Count the conversions of hits again with the days in force. Return how many changed.

    Commits every chunk; may be repeated. New hits and outcomes follow the days in force by themselves.
    """
    version, within = db.session.scalar(select(OutreachSetting.id).where(_IN_FORCE)), days()
    last, changed = 0, 0
    while (upto := _after(last)) is not None:
        changed += _recount(last, upto, within)
        last = upto
        db.session.commit()
    done = update(OutreachSetting).where(OutreachSetting.id == version).values(recounted_at=clock.BEGAN)
    db.session.execute(done)
    db.session.commit()
    return changed


def _after(hit_id: int) -> int | None:
    part = select(Hit.id).where(Hit.id > hit_id).order_by(Hit.id).limit(CHUNK).subquery()
    return db.session.scalar(select(func.max(part.c.id)))


def _recount(after: int, upto: int, within: int) -> int:
    in_time = Hit.outcome_on <= Hit.hit_date + within
    wrong = (Hit.outcome_on.is_not(None), Hit.converted.is_distinct_from(in_time))
    # A trigger computes the conversion anew when the date of the outcome is written.
    again = update(Hit).where(Hit.id > after, Hit.id <= upto, *wrong).values(outcome_on=Hit.outcome_on)
    options = {"synchronize_session": False, "preserve_rowcount": True}
    return int(db.session.execute(again, execution_options=options).rowcount)  # type: ignore[attr-defined]


def claimed() -> ColumnElement[bool]:
    """Return the criterion on Hit that a marketer, or the gateway, marked it as converted.

    The mark stands when the hit is withdrawn; figures of rules leave that out as they count live hits.
    """
    kept = and_(Hit.status == HitStatus.WITHDRAWN, Hit.former_status == HitStatus.CONVERTED)
    return or_(Hit.status == HitStatus.CONVERTED, kept)


def converted(by_outcomes: bool | None = None) -> ColumnElement[bool]:
    """Return the criterion on Hit for conversions. ``by_outcomes`` is ``judged_by_outcomes()`` if known."""
    by_outcomes = judged_by_outcomes() if by_outcomes is None else by_outcomes
    return Hit.converted.is_(True) if by_outcomes else claimed()


def is_first() -> ColumnElement[bool]:
    """Return the criterion on Hit for the first hit ever of its rule and lead that is not withdrawn."""
    earlier = aliased(Hit)
    before = (earlier.rule_id == Hit.rule_id, earlier.lead_id == Hit.lead_id, earlier.hit_date < Hit.hit_date)
    return ~exists().where(*before, earlier.status != HitStatus.WITHDRAWN)


def successes(settings: Settings, by_outcomes: bool) -> Subquery:
    """Return what converts live leads: lead_id, product (code; None for a claim), on, amount, margin."""
    query = _outcomes() if by_outcomes else _claims(settings)
    of_lead = Lead.id == query.selected_columns.lead_id
    live: Subquery = query.join(Lead, of_lead).where(Lead.deleted_at.is_(None)).subquery()
    return live


def _outcomes() -> Any:
    return select(
        Outcome.lead_id,
        Product.code.label("product"),
        Outcome.on_date.label("on"),
        Outcome.amount,
        margin().label("margin"),
    ).join(Product, Product.id == Outcome.product_id)


def _claims(settings: Settings) -> Any:
    day = cast(func.timezone(settings.timezone, Hit.converted_at), Date)
    return select(
        Hit.lead_id,
        cast(null(), String).label("product"),
        day.label("on"),
        func.coalesce(Hit.amount, 0).label("amount"),
        literal(0).label("margin"),
    ).where(claimed())


def dates(
    settings: Settings, first: dt.date, last: dt.date, products: Sequence[str] = ()
) -> Select[tuple[int, dt.date]]:
    """Select leads and the dates of what converts them, of some products or of any."""
    won = successes(settings, judged_by_outcomes()).c
    query = select(won.lead_id, won.on).where(won.on.between(first, last))
    return query.where(or_(won.product.is_(None), won.product.in_(products))) if products else query
