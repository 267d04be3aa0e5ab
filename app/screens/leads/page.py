"""Extra content of a lead's page: its activity calendar, and who viewed its phone number."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.activity import store
from app.activity.errors import ActivityError
from app.console.access import may
from app.extensions import db
from app.facts.lead import known_facts
from app.leads import number_limit
from app.leads.cube import activity_root, engine_settings
from app.lib.amounts import yuan
from app.lib.clock import today
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import ChangeLog, Lead, Reveal
from app.rules import conversions
from app.screens.facts import words
from app.segments import value as customer_value

if TYPE_CHECKING:
    from app.activity import query
else:
    query = lazy("app.activity.query")


DAYS = 90
MAX_LOOKS = 50
#: calls on a day from which the calendar shows the next darker shade
SHADES = (1, 3, 6, 10)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Day:
    """A day of the calendar; ``shade`` is 0 (no calls) to 4, ``column`` and ``row`` count from 1."""

    date: dt.date
    calls: int
    institutions: int
    shade: int
    column: int
    row: int


@dataclass(frozen=True)
class Calendar:
    """The recent activity of a lead: ``days`` in order, ``months`` and ``weekdays`` with their positions."""

    days: list[Day]
    months: list[tuple[int, str]]
    weekdays: list[tuple[int, str]]

    @property
    def active(self) -> list[Day]:
        """The days with calls, newest first."""
        return [day for day in reversed(self.days) if day.calls]

    @property
    def summary(self) -> str:
        """A summary of the calendar in one sentence."""
        return _(
            "Calls: %(calls)s, on %(days)s of the last %(all)s days",
            calls=sum(day.calls for day in self.days),
            days=len(self.active),
            all=len(self.days),
        )


def calendar(lead: Lead) -> Calendar | None:
    """Return the calendar of the last 90 complete days, None when the activity store can't be read."""
    settings = current_settings()
    last = today() - dt.timedelta(days=1)
    first = last - dt.timedelta(days=DAYS - 1)
    try:
        state = store.snapshot(activity_root(settings))
        rows = query.person_days(state, lead.id_hash, first, last, settings=engine_settings(settings))
    except ActivityError:
        log.exception("the activity of lead %s can't be read", lead.id)
        return None
    return _calendar(first, {day: (calls, places) for day, calls, places in rows})


def _calendar(first: dt.date, counts: dict[dt.date, tuple[int, int]]) -> Calendar:
    monday = first - dt.timedelta(days=first.weekday())
    days = []
    for number in range(DAYS):
        day = first + dt.timedelta(days=number)
        calls, places = counts.get(day, (0, 0))
        column = (day - monday).days // 7 + 1
        days.append(Day(day, calls, places, sum(calls >= edge for edge in SHADES), column, day.weekday() + 1))
    months = [(day.column, f"{day.date:%Y-%m}") for day in days if day.date.day == 1 or day.date == first]
    names = [(1, _("Monday")), (3, _("Wednesday")), (5, _("Friday")), (7, _("Sunday"))]
    # The labels of two months that begin fewer than three columns apart would overlap.
    if len(months) > 1 and months[1][0] - months[0][0] < 3:
        months = months[1:]
    return Calendar(days, months, names)


def facts(lead: Lead) -> dict[str, Any]:
    """Return what is known of the lead today for the page; no lines when the store can't be read."""
    try:
        lines = words.lines(known_facts(lead.id, today()))
    except ActivityError:
        log.exception("the facts of lead %s can't be read", lead.id)
        lines = None
    opens = may("can_show", "ImportBatchView")
    return {"lines": lines, "batch_url": _batch_url if opens else None}


def _batch_url(batch: int) -> str:
    return url_for("ImportBatchView.show", pk=batch)


def value(lead: Lead) -> str:
    """Return the margin of what the customer bought in the last twelve months; empty while none is known."""
    if not conversions.judged_by_outcomes():
        return ""
    row = customer_value.of_lead(lead.id, today())
    if row is None:
        return _("%(value)s: bought nothing in the last twelve months", value=yuan(0))
    return _(
        "%(value)s: the margin of %(n)s purchases, the last on %(day)s",
        value=yuan(row.value),
        n=row.times,
        day=row.last,
    )


class Look(NamedTuple):
    """Somebody's look at a customer's phone number, or search by a full number of theirs."""

    at: dt.datetime
    by: str
    reason: str


def looks(lead: Lead) -> list[Look] | None:
    """Return the looks at the phone number, newest first; None without the permission to see them."""
    if not may("can_list", "RevealView"):
        return None
    reveals = select(Reveal).where(Reveal.lead_id == lead.id).order_by(Reveal.id.desc()).limit(MAX_LOOKS)
    searches = number_limit.searches_for(lead).order_by(ChangeLog.id.desc()).limit(MAX_LOOKS)
    found = [Look(each.revealed_at, each.revealed_by, each.reason) for each in db.session.scalars(reveals)]
    found += [Look(each.time, each.actor, searched_by(each)) for each in db.session.scalars(searches)]
    return sorted(found, reverse=True)[:MAX_LOOKS]


def searched_by(record: ChangeLog) -> str:
    """Return by what a recorded search found the customer."""
    return _("Search by phone number") if "phone_index" in record.changes else _("Search by ID number")
