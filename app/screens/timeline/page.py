"""The page of a time line: its filters by kind, its last date, and the date of what was known."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for
from flask_babel import format_date
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app import labels
from app.activity import store
from app.activity.errors import ActivityError
from app.console import formats
from app.errors import DomainError
from app.leads.cube import activity_root
from app.lib import clock
from app.lib.settings import current_settings
from app.models import Lead
from app.screens.timeline import activity
from app.screens.timeline.entries import Page, Source, read_page
from app.screens.timeline.sources import SOURCES

log = logging.getLogger(__name__)
#: dates that are named in a note, of which calls are left out
NAMED = 5


@dataclass(frozen=True)
class Asked:
    """What a reader asked for: kinds (none: all), the last date, and as known on which date."""

    lead: Lead
    kinds: tuple[str, ...] = ()
    until: dt.date | None = None
    known_on: dt.date | None = None

    @property
    def last(self) -> dt.date:
        """The last date of the page."""
        return min(each for each in (self.until, self.known_on, clock.today()) if each is not None)

    def url(self, **changed: Any) -> str:
        """Return the address of the page with some changes."""
        asked = replace(self, **changed)
        arguments = {"kind": list(asked.kinds), "until": asked.until, "known_on": asked.known_on}
        given: dict[str, Any] = {name: value for name, value in arguments.items() if value}
        return url_for("LeadView.timeline", pk=self.lead.id, **given)


def read_asked(lead: Lead, arguments: MultiDict[str, str]) -> Asked:
    """Return what the query arguments ask for. Raises DomainError for what makes no sense."""
    known = [source.kind for source in SOURCES]
    if unknown := [kind for kind in arguments.getlist("kind") if kind not in known]:
        raise DomainError("The time line has no entries of the kind “%(kind)s”.", kind=unknown[0][:20])
    kinds = tuple(kind for kind in known if kind in arguments.getlist("kind"))
    return Asked(lead, kinds, *(_date(arguments.get(name, "")) for name in ("until", "known_on")))


def _date(text: str) -> dt.date | None:
    if not text.strip():
        return None
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise DomainError("“%(text)s” is not a date such as 2027-01-31.", text=text[:20]) from None
    if day.year < 2000:
        raise DomainError("Choose a date from the year 2000 on.")
    return day


def shown(asked: Asked) -> dict[str, Any]:
    """Return what the template needs."""
    offered = [source for source in SOURCES if source.is_open]
    chosen = [source for source in offered if not asked.kinds or source.kind in asked.kinds]
    page, unread = _read(asked, chosen)
    return {
        "asked": asked,
        "local": labels.local,
        "when": formats.when,
        "weekday": lambda day: format_date(day, "EEEE"),
        "lead": asked.lead,
        "page": page,
        "names": {source.kind: source.name for source in offered},
        "chips": [_chip(asked, source) for source in offered],
        "unread": unread,
        "doubts": _doubts(asked, chosen, page) if asked.known_on else [],
    }


def _read(asked: Asked, sources: Sequence[Source]) -> tuple[Page, bool]:
    """Return the page, without what lies in the analytical store when that can't be read."""
    try:
        return read_page(asked.lead, sources, asked.last, asked.known_on), False
    except ActivityError:
        log.exception("the time line of lead %s can't be read from the store", asked.lead.id)
        rest = [source for source in sources if source.kind not in ("facts", "activity")]
        return read_page(asked.lead, rest, asked.last, asked.known_on), True


def _chip(asked: Asked, source: Source) -> tuple[str, Any, str, bool]:
    """Return a filter: kind, name, the address that turns it on or off, and whether it is on."""
    on = source.kind in asked.kinds
    kinds = [each.kind for each in SOURCES if (each.kind in asked.kinds) != (each is source)]
    return source.kind, source.name, asked.url(kinds=tuple(kinds), until=None), on


def _doubts(asked: Asked, sources: Sequence[Source], page: Page) -> list[str]:
    """Return in words what can't be known of that date, for the kinds that are shown."""
    kinds = {source.kind for source in sources}
    said = {
        "imports": _(
            "The values before an import are kept for %(n)s days. What it changed is not kept apart from "
            "later changes by hand, so only the values before it are shown here.",
            n=current_settings().leads_purge_days,
        ),
        "facts": _(
            "A fact counts from the date on which rules may use it: the day before its delivery, at the "
            "earliest the day it is about, and that day itself for a backfill. Values of an import that was "
            "undone are gone."
        ),
        "hits": _(
            "Grade, score and reason of a hit are those of its newest evaluation: late calls may have "
            "changed them."
        ),
        "contacts": _(
            "When a contact was held back is not kept: it is shown from the moment its batch was confirmed."
        ),
        "activity": _calls_left_out(asked, page) if "activity" in kinds else "",
    }
    return [text for kind, text in said.items() if kind in kinds and text]


def _calls_left_out(asked: Asked, page: Page) -> str:
    """Return of which dates of the page calls are left out."""
    if asked.known_on is None:
        return ""
    try:
        state = store.snapshot(activity_root(current_settings()))
        later = activity.changed_after(state, asked.known_on)
    except ActivityError:
        return ""
    days = sorted((day for day in later if page.first <= day <= page.last), reverse=True)
    if not days:
        return ""
    named = ", ".join(day.isoformat() for day in days[:NAMED]) + (" …" if len(days) > NAMED else "")
    return _(
        "Calls of these dates were delivered, or added to, after %(day)s and are left out, because which of "
        "them were known then is not kept: %(days)s",
        day=asked.known_on,
        days=named,
    )
