"""The completeness calendar: calls by institution and day, with missing and low days marked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from babel.numbers import format_compact_decimal
from flask_babel import format_date, get_locale, lazy_gettext
from flask_babel import gettext as _
from sqlalchemy import select

from app.console.access import may
from app.console.urls import list_url
from app.extensions import db
from app.lib.clock import today
from app.models import Institution
from app.t1.institution_days import ALL, Cell, State, judge_days, load_counts, sum_institutions

DAYS = 30
PER_PAGE = 25
STATE = {
    State.FULL: lazy_gettext("as usual"),
    State.LOW: lazy_gettext("low"),
    State.MISSING: lazy_gettext("missing"),
    State.NONE: lazy_gettext("no data expected"),
}
MARK = {State.LOW: "▼", State.MISSING: "✕"}


@dataclass(frozen=True)
class Square:
    """A cell as drawn: the abbreviated number, its full description, and the address of its deliveries."""

    short: str
    description: str
    state: str
    mark: str
    url: str


@dataclass(frozen=True)
class Line:
    """An institution, or all together, with its days; ``marked`` counts the missing and low ones."""

    name: str
    code: str
    squares: list[Square]
    marked: int


@dataclass(frozen=True)
class Head:
    """The heading of a day's column."""

    day: str
    short: str
    weekday: str
    weekend: bool


@dataclass(frozen=True)
class Calendar:
    """A page of the calendar: headings, the line of all institutions, and the lines of this page."""

    heads: list[Head]
    whole: Line
    lines: list[Line]
    matching: int
    marked: int
    page: int
    pages: int


def calendar(name: str, only_marked: bool, page: int) -> Calendar:
    """Return a page of the last DAYS complete days, newest first, of the institutions that match a text.

    The institutions with most missing or low days come first.
    """
    last = today() - dt.timedelta(days=1)
    first = last - dt.timedelta(days=DAYS - 1)
    calls = load_counts(first, last)
    names = _names()
    judgements = judge_days(calls, first, last)
    shown = [
        (code, cells)
        for code, cells in judgements.items()
        if _matches(name, code, names.get(code, code)) and (not only_marked or _marked(cells))
    ]
    shown.sort(key=lambda pair: (-_marked(pair[1]), names.get(pair[0], pair[0])))
    pages = max(1, -(-len(shown) // PER_PAGE))
    page = min(max(page, 0), pages - 1)
    part = shown[page * PER_PAGE : (page + 1) * PER_PAGE]
    return Calendar(
        heads=[_head(last - dt.timedelta(days=back)) for back in range(DAYS)],
        whole=_line(_("All institutions"), "", judge_days(sum_institutions(calls), first, last)[ALL]),
        lines=[_line(names.get(code, code), code, cells) for code, cells in part],
        matching=len(shown),
        marked=sum(1 for cells in judgements.values() if _marked(cells)),
        page=page,
        pages=pages,
    )


def _names() -> dict[str, str]:
    return dict(db.session.execute(select(Institution.code, Institution.name)).tuples().all())


def _matches(text: str, code: str, name: str) -> bool:
    return text.casefold() in f"{name}\n{code}".casefold()


def _marked(cells: list[Cell]) -> int:
    return sum(cell.state in (State.LOW, State.MISSING) for cell in cells)


def _head(day: dt.date) -> Head:
    return Head(day.isoformat(), f"{day:%m-%d}", format_date(day, "ccccc"), day.weekday() >= 5)


def _line(name: str, code: str, cells: list[Cell]) -> Line:
    return Line(name, code, [_square(name, cell) for cell in reversed(cells)], _marked(cells))


def _square(name: str, cell: Cell) -> Square:
    usual = "" if cell.usual is None else _("; usual: %(n)s", n=f"{cell.usual:,}")
    description = _(
        "%(institution)s, %(day)s: %(n)s calls, %(state)s",
        institution=name,
        day=cell.day.isoformat(),
        n=f"{cell.calls:,}",
        state=str(STATE[cell.state]),
    )
    short = format_compact_decimal(cell.calls, locale=get_locale(), fraction_digits=1) if cell.calls else ""
    is_link = may("can_list", "IngestFileView") and cell.calls
    return Square(
        short=short or ("0" if cell.state == State.MISSING else "·"),
        description=description + usual,
        state=cell.state,
        mark=MARK.get(cell.state, ""),
        url=list_url("IngestFileView", day=cell.day) if is_link else "",
    )
