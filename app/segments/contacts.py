"""Contacts of leads and their answers, as they could be known on a date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    SelectBase,
    and_,
    cast,
    exists,
    func,
    null,
    select,
)

from app.audit.actor import SYSTEM
from app.models import Hit, HitEvent, Outreach, OutreachEvent, OutreachStatus

#: outcomes that are a response of the customer, of whatever kind
ANSWERED = (
    OutreachStatus.ANSWERED,
    OutreachStatus.REFUSED,
    OutreachStatus.INTERESTED,
    OutreachStatus.OPT_OUT,
    OutreachStatus.CONVERTED,
)
#: the steps on a hit by which a marketer contacts the customer
_STEPS_BY_HAND = ("start", "follow_up")


def by_hand() -> ColumnElement[bool]:
    """Return the criterion on HitEvent for contacts by a marketer."""
    return and_(HitEvent.kind.in_(_STEPS_BY_HAND), HitEvent.person != SYSTEM, HitEvent.stands())


@dataclass(frozen=True)
class Period:
    """The moments from ``first`` to before ``end``, which is also when everything had to be known."""

    first: dt.datetime
    end: dt.datetime

    @classmethod
    def of(cls, as_of: dt.date, days: int, zone: dt.tzinfo) -> Period:
        """Return the period of the last local days, that of a date included."""
        after = as_of + dt.timedelta(days=1)
        first = after - dt.timedelta(days=min(days, (after - dt.date.min).days))
        return cls(*(dt.datetime.combine(day, dt.time(), zone) for day in (first, after)))

    def has(self, moment: Any) -> ColumnElement[bool]:
        """Return the criterion that a moment is within."""
        return and_(moment >= self.first, moment < self.end)


def contacted(channel: str | None, period: Period) -> Select[int]:
    """Return a query for the leads contacted by a channel, or by any and by hand, unless it had failed."""
    made = contacts_made(channel, period.end).subquery()
    return select(made.c.lead_id).where(period.has(made.c.at))


def contacts_made(channel: str | None, known_before: dt.datetime) -> SelectBase:
    """Return a query of contacts: lead_id, at, and outreach_id, which is NULL of one by hand."""
    sent = select(Outreach.lead_id, Outreach.sent_at.label("at"), Outreach.id.label("outreach_id")).where(
        Outreach.sent_at.is_not(None), ~_failed(known_before)
    )
    if channel:
        return sent.where(Outreach.channel == channel)
    hand = select(Hit.lead_id, HitEvent.at, cast(null(), BigInteger)).join(
        HitEvent, HitEvent.hit_id == Hit.id
    )
    return sent.union_all(hand.where(by_hand()))


def responses(channel: str | None) -> SelectBase:
    """Return a query of the responses to contacts by a channel, or by any: lead_id, at, outreach_id."""
    query = (
        select(Outreach.lead_id, OutreachEvent.at, Outreach.id.label("outreach_id"))
        .join(OutreachEvent, OutreachEvent.outreach_id == Outreach.id)
        .where(OutreachEvent.outcome.in_(ANSWERED))
    )
    return query.where(Outreach.channel == channel) if channel else query


def answered(channel: str | None, period: Period, at_least: int = 1) -> Select[int]:
    """Return a query for the leads who responded to so many contacts by a channel, or by any."""
    query = (
        select(Outreach.lead_id)
        .join(OutreachEvent, OutreachEvent.outreach_id == Outreach.id)
        .where(
            OutreachEvent.outcome.in_(ANSWERED),
            period.has(OutreachEvent.at),
            OutreachEvent.received_at < period.end,
        )
    )
    if channel:
        query = query.where(Outreach.channel == channel)
    if at_least > 1:
        query = query.group_by(Outreach.lead_id).having(func.count(Outreach.id.distinct()) >= at_least)
    return query


def _failed(known_before: dt.datetime) -> ColumnElement[bool]:
    """Return the criterion on Outreach that a failure was all that had been reported by then."""
    reported = exists().where(
        OutreachEvent.outreach_id == Outreach.id, OutreachEvent.received_at < known_before
    )
    failed = OutreachEvent.outcome == OutreachStatus.FAILED
    return and_(reported.where(failed), ~reported.where(~failed))
