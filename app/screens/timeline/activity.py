"""The time line of a customer's activity: calls of a date by category of institution."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import select

from app import labels
from app.activity import store
from app.extensions import db
from app.leads.cube import activity_root, engine_settings
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import Institution, Lead
from app.screens.timeline.entries import Entry, Span

if TYPE_CHECKING:
    from app.activity import query
else:
    query = lazy("app.activity.query")

#: institutions of a date that are named
NAMED = 8


def since() -> dt.date | None:
    """Return the first date of which there are calls."""
    return min(store.snapshot(activity_root(current_settings())).days, default=None)


def activity(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield the calls of each date; of dates that changed after ``known_on`` nothing is said."""
    settings = current_settings()
    state = store.snapshot(activity_root(settings))
    later = changed_after(state, span.known_on) if span.known_on else set()
    rows = query.person_institutions(
        state, lead.id_hash, span.first, span.last, settings=engine_settings(settings)
    )
    places: dict[dt.date, dict[str, int]] = defaultdict(dict)
    for day, institution, calls in rows:
        if day not in later:
            places[day][institution] = calls
    catalogue = _catalogue({code for each in places.values() for code in each})
    for day, of_day in places.items():
        yield _entry(day, of_day, catalogue)


def changed_after(state: store.Snapshot, known_on: dt.date) -> set[dt.date]:
    """Return the dates whose calls changed after a local date: what was known then is not kept."""
    zone = current_settings().zone
    dates: set[dt.date] = set()
    for record in store.deliveries(state):
        withdrawn = record.get("withdrawn", {"time": record["time"], "days": []})
        times = (record["time"], withdrawn["time"])
        if any(dt.datetime.fromisoformat(each).astimezone(zone).date() > known_on for each in times):
            named = (*record["days"], *record.get("also", []), *withdrawn["days"])
            dates.update(map(dt.date.fromisoformat, named))
    return dates


def _catalogue(codes: set[str]) -> dict[str, tuple[str, str]]:
    """Return name and category of institutions by code."""
    query_ = select(Institution.code, Institution.name, Institution.category)
    rows = db.session.execute(query_.where(Institution.code.in_(codes))).tuples() if codes else ()
    return {code: (name, category) for code, name, category in rows}


def _entry(day: dt.date, calls: dict[str, int], catalogue: dict[str, tuple[str, str]]) -> Entry:
    by_category: Counter[str] = Counter()
    for code, n in calls.items():
        by_category[catalogue.get(code, ("", ""))[1]] += n
    total = sum(calls.values())
    named = sorted(calls.items(), key=lambda each: (-each[1], each[0]))
    parts = [f"{catalogue.get(code, (code, ''))[0]} {n:,}" for code, n in named[:NAMED]]
    if len(named) > NAMED:
        parts.append(_("%(n)s more", n=len(named) - NAMED))
    return Entry(
        day=day,
        title=ngettext("%(num)s call", "%(num)s calls", total),
        said=" · ".join(f"{_category(code)} {n:,}" for code, n in by_category.most_common()),
        more=[(_("Institutions"), labels.enumerated(parts))],
        place=1,
        tone="quiet",
    )


def _category(code: str) -> str:
    return labels.word(labels.CATEGORY, code) if code else _("without category")
