"""The data of charts, which app/static/js/charts.js draws."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import BigInteger, cast, func, select, true

from app.console.access import may
from app.console.table import Link
from app.console.urls import list_url
from app.extensions import db
from app.lib.clock import today
from app.models import IngestFile
from app.rules.proportion import Interval

DAYS = 30


@dataclass(frozen=True)
class Chart:
    """A bar chart with a value in ``unit`` for each ``x``. ``links`` open the rows behind each bar.

    ``x`` are dates or, with ``parts``, names of parts of a whole, which are drawn lying. ``kind`` is ``ring``
    for parts with their shares, ``spark`` for a small line without axes. ``term`` is the code of its term in
    the glossary, empty for none.
    """

    title: str
    unit: str
    x: list[str]
    y: list[int]
    links: list[str]
    empty: str
    all: Link | None = None
    parts: bool = False
    kind: str = ""
    term: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """Return the data for the script."""
        own = {
            name: value
            for name, value in asdict(self).items()
            if name in ("title", "unit", "x", "y", "links", "parts")
        }
        return own | ({"kind": self.kind} if self.kind else {})


@dataclass(frozen=True)
class Bars:
    """A chart of bars beside or on top of each other: ``series`` are a name and a number for each ``x``."""

    title: str
    unit: str
    x: list[str]
    series: list[tuple[str, list[int]]]
    along: str = ""
    empty: str = ""
    all: None = None
    parts: bool = False
    term: str = ""
    stacked: bool = False

    @property
    def y(self) -> list[int]:
        """Return the numbers of the first series; the template draws nothing when there are none."""
        return self.series[0][1]

    @property
    def links(self) -> list[str]:
        """Return no links."""
        return []

    @property
    def data(self) -> dict[str, Any]:
        """Return the data for the script."""
        common = {"title": self.title, "unit": self.unit, "x": self.x, "along": self.along, "links": []}
        series = [{"name": name, "y": y} for name, y in self.series]
        return {"kind": "bars", "series": series, **common, **({"stacked": True} if self.stacked else {})}


@dataclass(frozen=True)
class Intervals:
    """Shares with their intervals, one line for each of ``names``, in percent or in ``unit``.

    ``points`` are a value and its interval, from 0 to 1 or −1 to 1. ``links`` open the rows behind each line.
    """

    title: str
    names: list[str]
    points: list[tuple[float, Interval]]
    links: list[str]
    unit: str = "%"
    empty: str = ""
    all: Link | None = None

    @property
    def y(self) -> list[float]:
        """Return the values. Without any nothing is drawn."""
        return [round(value * 100, 2) for value, _interval in self.points]

    @property
    def data(self) -> dict[str, Any]:
        """Return the data for the script."""
        ends = [interval for _value, interval in self.points]
        return {
            "kind": "intervals",
            "title": self.title,
            "unit": self.unit,
            "x": self.names,
            "y": self.y,
            "low": [round(end.low * 100, 2) for end in ends],
            "high": [round(end.high * 100, 2) for end in ends],
            "links": self.links,
        }


def events_per_day() -> Chart:
    """Return the chart of accepted events on each of the last 30 days. A bar opens the day's run."""
    days = [today() - dt.timedelta(days=back) for back in range(DAYS, 0, -1)]
    counts = _accepted(days[0])
    linked = may("can_list", "JobRunView")
    return Chart(
        title=_("Events per day, last 30 days"),
        unit=_("events"),
        x=[day.isoformat() for day in days],
        y=[counts.get(day.isoformat(), 0) for day in days] if counts else [],
        links=[_run_url(day) for day in days] if linked else [],
        empty=_("No events on these days."),
        all=Link(_("View the runs"), url_for("JobRunView.list")) if linked else None,
    )


def _run_url(day: dt.date) -> str:
    return list_url("JobRunView", day__from=day, day__to=day)


def _accepted(first: dt.date) -> dict[str, int]:
    entry = func.jsonb_each_text(IngestFile.days).table_valued("key", "value")
    total = func.sum(cast(entry.c.value, BigInteger))
    query = (
        select(entry.c.key, total)
        .select_from(IngestFile)
        .join(entry, true())
        .where(entry.c.key >= first.isoformat())
        .group_by(entry.c.key)
    )
    return {day: int(count) for day, count in db.session.execute(query)}
