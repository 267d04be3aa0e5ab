"""My work: the user's counts of the day, and the hits behind each as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import g
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, func, select

from app.access.scope import hits_visible_to, supervises
from app.console import paging
from app.console import table as lists
from app.console.access import view_of_model
from app.console.urls import list_url
from app.extensions import db
from app.hits import due
from app.hits.counts import HitFilter
from app.lib import clock
from app.models import Hit

#: rows that a tab shows; its link opens the full list
MAX_ROWS = 100
MAX_NEWEST = 10
COLUMNS = ["lead", "grade", "rule", "reason", "source", "hit_date", "status"]


@dataclass(frozen=True)
class Tab:
    """A count of hits that need attention; ``url`` opens its full list."""

    name: str
    text: str
    count: int
    url: str
    criterion: ColumnElement[bool]
    empty: str
    urgent: bool = False


def tabs() -> list[Tab]:
    """Return the user's tabs, most urgent first."""
    day = clock.today()
    rows: list[tuple[str, str, str, ColumnElement[bool], str, bool]] = [
        (
            "due",
            _("Due today or overdue"),
            "mine_due",
            and_(due.mine(g.user), Hit.next_on <= day),
            _("Nothing is due today. Claim new hits, or see what is due later."),
            True,
        ),
        (
            "mine",
            _("My open hits"),
            "mine",
            due.mine(g.user),
            _("You have no open hits. Claim some that are unclaimed."),
            False,
        ),
        (
            "unclaimed",
            _("Unclaimed"),
            "unclaimed",
            due.unclaimed(),
            _("Every waiting hit has an assignee."),
            False,
        ),
    ]
    if supervises(g.user):
        text = _("No hit has been overdue for too long.")
        rows.append(("escalated", _("Escalated"), "escalated", due.escalated(), text, True))
    return [
        Tab(name, text, _count_hits(criterion), list_url("HitView", work=work), criterion, empty, urgent)
        for name, text, work, criterion, empty, urgent in rows
    ]


def select_tab(tabs: list[Tab], name: str) -> Tab | None:
    """Return the tab with a name, or None when there is none.

    Without a name, return the first urgent tab that is not empty, else the first tab.
    """
    if name:
        return next((tab for tab in tabs if tab.name == name), None)
    return next((tab for tab in tabs if tab.urgent and tab.count), tabs[0])


def table(tab: Tab) -> lists.Table:
    """Return the hits of a tab as a table: earliest due date first, unclaimed hits by grade."""
    order = [Hit.grade, Hit.hit_date.desc()] if tab.name == "unclaimed" else [Hit.next_on, Hit.grade]
    query = select(Hit).where(tab.criterion, hits_visible_to(g.user)).order_by(*order, Hit.id).limit(MAX_ROWS)
    return _build_table(list(db.session.scalars(query)), tab.count, tab.url, tab.empty)


def newest(chosen: HitFilter, count: int, url: str) -> lists.Table:
    """Return the newest hits that the workspace counts as a table."""
    query = (
        select(Hit)
        .where(Hit.live, chosen.criterion(Hit))
        .order_by(Hit.hit_date.desc(), Hit.score.desc(), Hit.id.desc())
        .limit(MAX_NEWEST)
    )
    return _build_table(list(db.session.scalars(query)), count, url, _("No hit matches these filters."))


def _build_table(rows: list[Hit], count: int, url: str, empty: str) -> lists.Table:
    view: Any = view_of_model(Hit)
    lists.load_related(view, rows)
    return lists.Table(
        view=type(view).__name__,
        columns=[lists.Column(name, str(view.label_columns[name]), _kind(name)) for name in COLUMNS],
        rows=[lists.row(view, COLUMNS, hit) for hit in rows],
        count=paging.Count(count),
        page=0,
        page_size=MAX_ROWS,
        bulk=lists.bulk(view),
        links=[lists.Link(_("Full list"), url)],
        empty=empty,
        related=False,
        choices=lists.choices(view),
        paged=False,
    )


def _kind(name: str) -> str:
    return "wide" if name in lists.SENTENCES else ""


def _count_hits(criterion: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(Hit).where(criterion, hits_visible_to(g.user))
    return db.session.scalar(query) or 0
