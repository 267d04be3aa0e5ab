"""Dated entries of a time line, and the page of them that a person looks at.

A source is a function that returns the entries of a lead in a span. A page has whole dates, so that a date is
enough to say where the next one begins, and each source reads no more than the span of the page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Date, cast, func

from app.console.access import may
from app.extensions import db
from app.lib.settings import current_settings
from app.models import Lead

#: a page goes on to the end of the date on which it has this many entries
PAGE = 50
#: dates that a page covers at most when it shows what may happen on every date
DENSE_DAYS = 92


@dataclass(frozen=True)
class Entry:
    """Something that happened on a local date, at a moment where one is known, in words.

    ``said`` is its sentence, ``lines`` are labels and values below it, ``more`` are further ones, folded.
    ``place`` orders the entries of a date without a moment, the highest first.
    """

    day: dt.date
    title: Any
    at: dt.datetime | None = None
    said: Any = ""
    tags: Sequence[Any] = ()
    lines: Sequence[tuple[Any, Any]] = ()
    more: Sequence[tuple[Any, Any]] = ()
    url: str = ""
    by: str = ""
    note: str = ""
    tone: str = ""
    place: int = 0
    kind: str = ""


@dataclass(frozen=True)
class Span:
    """The dates ``first`` … ``last`` of which entries are read, as the product knew them on ``known_on``.

    A source may leave out older dates once it has ``most`` entries, but never a part of a date.
    """

    first: dt.date
    last: dt.date
    most: int
    known_on: dt.date | None = None

    @property
    def known_before(self) -> dt.datetime | None:
        """The moment before which something had to be known, None without ``known_on``."""
        return None if self.known_on is None else midnight(self.known_on + dt.timedelta(days=1))


Read = Callable[[Lead, Span], Iterable[Entry]]


@dataclass(frozen=True)
class Source:
    """A kind of entries: its name, the function that reads them, and the right that a reader needs.

    A ``dense`` one may have entries on every date: it is read after the others, for the dates of their page.
    ``since`` says since when it may have any.
    """

    kind: str
    name: Any
    read: Read
    right: tuple[str, str] | None = None
    dense: bool = False
    since: Callable[[], dt.date | None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the user may see its entries."""
        return self.right is None or may(*self.right)

    def began(self, last: dt.date) -> dt.date | None:
        """Return the first date of which it may have entries, None when that is after ``last``."""
        first = self.since() if self.since else None
        return first if first and first <= last else None

    def entries(self, lead: Lead, span: Span) -> list[Entry]:
        """Return its entries in a span."""
        return [replace(each, kind=self.kind) for each in self.read(lead, span)]


@dataclass(frozen=True)
class Page:
    """The entries of the dates ``first`` … ``last``, newest first; the next page ends on ``older``."""

    entries: list[Entry]
    first: dt.date
    last: dt.date
    older: dt.date | None

    @property
    def days(self) -> list[tuple[dt.date, list[Entry]]]:
        """The entries by date."""
        by_day: dict[dt.date, list[Entry]] = {}
        for entry in self.entries:
            by_day.setdefault(entry.day, []).append(entry)
        return list(by_day.items())


def read_page(
    lead: Lead, sources: Sequence[Source], last: dt.date, known_on: dt.date | None, most: int = PAGE
) -> Page:
    """Return the page of entries that ends on a date, as known on another one that is not before it."""
    span = Span(dt.date.min, last, most + 1, known_on)
    read = [source.entries(lead, span) for source in sources if not source.dense]
    cut = [entries for entries in read if len(entries) > most]
    # What a source left out is older than its oldest date.
    floor = max((min(each.day for each in entries) for entries in cut), default=span.first)
    entries = [each for found in read for each in found]
    floor = _page_ends(entries, floor, most)
    dense = [source for source in sources if source.dense]
    began = min((day for source in dense if (day := source.began(last))), default=None)
    if began is not None:
        limit = last - dt.timedelta(days=DENSE_DAYS - 1)
        floor = max(floor, limit) if began < limit else floor
        within = replace(span, first=max(floor, began))
        entries += [each for source in dense for each in source.entries(lead, within)]
        floor = _page_ends(entries, floor, most)
    shown = [each for each in entries if each.day >= floor]
    more = bool(cut) or len(shown) < len(entries) or (began is not None and began < floor)
    return Page(_ordered(shown), floor, last, floor - dt.timedelta(days=1) if more else None)


def _page_ends(entries: list[Entry], floor: dt.date, most: int) -> dt.date:
    """Return the oldest date of the page that these entries fill, at least ``floor``."""
    days = sorted((each.day for each in entries), reverse=True)
    return max(floor, days[most - 1]) if len(days) >= most else floor


def _ordered(entries: list[Entry]) -> list[Entry]:
    # What has no moment is known of the whole date and stands above what happened during it.
    return sorted(
        entries,
        key=lambda each: (each.day, each.at is None, each.at or midnight(each.day), each.place),
        reverse=True,
    )


def midnight(day: dt.date) -> dt.datetime:
    """Return the moment at which a local date begins."""
    return dt.datetime.combine(day, dt.time(), current_settings().zone)


def local_day(moment: Any) -> ColumnElement[dt.date]:
    """Return the local date of a column of moments."""
    return cast(func.timezone(current_settings().timezone, moment), Date)


def newest(query: Any, moment: Any, span: Span) -> Sequence[Any]:
    """Execute a query for the rows whose moment lies in a span: the newest, whole dates of them."""
    limits = [moment < midnight(span.last + dt.timedelta(days=1))]
    if span.first > dt.date.min:
        limits.append(moment >= midnight(span.first))
    day = local_day(moment)
    return _fetch(query.where(*limits), day, span)


def newest_by_date(query: Any, day: Any, span: Span) -> Sequence[Any]:
    """Do the same for rows with a column of local dates."""
    return _fetch(query.where(day <= span.last, day >= span.first), day, span)


def _fetch(query: Any, day: Any, span: Span) -> Sequence[Any]:
    return db.session.execute(query.order_by(day.desc()).fetch(span.most, with_ties=True)).all()
