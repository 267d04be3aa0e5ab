"""My work: the numbers of the day and the hits behind each, drawn as a list of hits."""

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
from app.hits.counts import Chosen
from app.lib import clock
from app.models import Hit

#: rows that a tab shows; the rest are behind its list
MAX_ROWS = 100
MAX_NEWEST = 10
COLUMNS = ["lead", "grade", "rule", "reason", "source", "hit_date", "status"]


@dataclass(frozen=True)
class Tab:
    """One number of the day; ``url`` opens the whole list behind it, ``name`` its rows on this page."""

    name: str
    text: str
    count: int
    url: str
    meant: ColumnElement[bool]
    empty: str
    urgent: bool = False


def tabs() -> list[Tab]:
    """The numbers of the day for the person at the screen, in the order of urgency."""
    day = clock.today()
    given: list[tuple[str, str, str, ColumnElement[bool], str, bool]] = [
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
        given.append(("escalated", _("Escalated"), "escalated", due.escalated(), text, True))
    return [
        Tab(name, text, _count(meant), list_url("HitView", work=work), meant, empty, urgent)
        for name, text, work, meant, empty, urgent in given
    ]


def chosen(found: list[Tab], name: str) -> Tab | None:
    """The tab that is asked for, None when there is none of the name.

    When none is asked for: the first urgent one with anything in it, else the first.
    """
    if name:
        return next((tab for tab in found if tab.name == name), None)
    return next((tab for tab in found if tab.urgent and tab.count), found[0])


def table(tab: Tab) -> lists.Table:
    """The rows of a tab: what is due first, the unclaimed by grade."""
    order = [Hit.grade, Hit.hit_date.desc()] if tab.name == "unclaimed" else [Hit.next_on, Hit.grade]
    query = select(Hit).where(tab.meant, hits_visible_to(g.user)).order_by(*order, Hit.id).limit(MAX_ROWS)
    return _drawn(list(db.session.scalars(query)), tab.count, tab.url, tab.empty)


def newest(chosen: Chosen, count: int, url: str) -> lists.Table:
    """The first rows of the list of hits that the workspace counts."""
    query = (
        select(Hit)
        .where(Hit.live, chosen.criterion(Hit))
        .order_by(Hit.hit_date.desc(), Hit.score.desc(), Hit.id.desc())
        .limit(MAX_NEWEST)
    )
    return _drawn(list(db.session.scalars(query)), count, url, _("No hit matches these filters."))


def _drawn(rows: list[Hit], count: int, url: str, empty: str) -> lists.Table:
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


def _count(meant: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(Hit).where(meant, hits_visible_to(g.user))
    return db.session.scalar(query) or 0
