"""What a typed text finds among what the user may open: pages, customers, and rows of other tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, or_, select

from app import labels
from app.access.people import name_of
from app.access.scope import visible_to
from app.console import formats, frame
from app.console.access import may, view_named
from app.extensions import db
from app.leads import finding
from app.lib.row_id import row_id
from app.models import (
    Customer,
    ImportBatch,
    Lead,
    OutreachBatch,
    OutreachTemplate,
    OutreachTemplateVersion,
    Rule,
    Schedule,
    Segment,
)

#: results of one kind; the next letter typed leaves fewer
PER_GROUP = 6


@dataclass(frozen=True)
class Found:
    """A result: its name, the page that it opens, and what tells it from others of the same name."""

    text: str
    url: str
    note: Any = ""


@dataclass(frozen=True)
class Group:
    """Results of one kind. ``more`` says that there are others."""

    name: str
    results: Sequence[Found]
    more: bool = False


@dataclass(frozen=True)
class Named:
    """A table that is found by what its rows are called; ``note`` tells rows of the same name apart."""

    view: str
    criterion: Callable[[str], ColumnElement[bool]]
    note: Callable[[Any], Any]


def _template_named(text: str) -> ColumnElement[bool]:
    versions = select(OutreachTemplateVersion.id).join(OutreachTemplateVersion.template)
    return OutreachBatch.version_id.in_(versions.where(_has(OutreachTemplate.name, text)))


NAMED = (
    Named(
        "RuleView",
        lambda text: or_(_has(Rule.name, text), _has(Rule.code, text)),
        lambda rule: labels.word(labels.VERSION_STATUS, rule.status),
    ),
    Named(
        "ScheduleView",
        lambda text: or_(_has(Schedule.name, text), _has(Schedule.code, text)),
        lambda schedule: labels.word(labels.VERSION_STATUS, schedule.status),
    ),
    Named("SegmentView", lambda text: _has(Segment.name, text), lambda segment: name_of(segment.owner)),
    Named(
        "ImportBatchView",
        lambda text: or_(_has(ImportBatch.file_name, text), _numbered(ImportBatch, text)),
        lambda batch: formats.when(batch.created_at),
    ),
    Named(
        "OutreachBatchView",
        lambda text: or_(
            _has(OutreachBatch.name, text), _template_named(text), _numbered(OutreachBatch, text)
        ),
        lambda batch: formats.when(batch.created_at),
    ),
)


def find(text: str) -> list[Group]:
    """Return the groups that have results, pages and customers first."""
    if not text:
        return []
    found = [_pages(text), _customers(text), *(_rows(kind, text) for kind in NAMED)]
    return [group for group in found if group.results]


def _pages(text: str) -> Group:
    folded = text.casefold()
    named = [
        Found(name, url, area)
        for area, name, url in frame.pages()
        if folded in name.casefold() or folded in area.casefold()
    ]
    named.sort(
        key=lambda page: (folded not in page.text.casefold(), not page.text.casefold().startswith(folded))
    )
    return _group(_("Menu pages"), named)


def _customers(text: str) -> Group:
    if not may("can_show", "LeadView"):
        return _group(_("Customers"), [])
    leads = [
        *finding.by_number(db.session(), g.user, text),
        *finding.by_name(db.session(), g.user, text, PER_GROUP + 1),
    ]
    pages = pages_of(leads)
    return _group(_("Customers"), [Found(lead.name, pages[lead.id], _known(lead)) for lead in leads])


def _known(lead: Lead) -> str:
    known = [lead.lead_no, lead.phone_masked, lead.branch.name if lead.branch else ""]
    return " · ".join(filter(None, known))


def pages_of(leads: Sequence[Lead]) -> dict[int, str]:
    """Return the address of each lead's page: the customer's for whom a rule has hit and who works hits."""
    hit: set[int] = set()
    if may("can_show", "CustomerView"):
        customers = select(Customer.id).where(visible_to(g.user, Customer))
        hit = set(db.session.scalars(customers.where(Customer.id.in_([lead.id for lead in leads]))))
    return {
        lead.id: url_for("CustomerView.show" if lead.id in hit else "LeadView.show", pk=lead.id)
        for lead in leads
    }


def _rows(kind: Named, text: str) -> Group:
    view: Any = view_named(kind.view)
    title = str(view.list_title)
    if not may("can_show", kind.view):
        return _group(title, [])
    query = select(view.model).where(visible_to(g.user, view.model), kind.criterion(text))
    rows = db.session.scalars(query.order_by(view.model.id.desc()).limit(PER_GROUP + 1))
    return _group(
        title,
        [
            Found(view.heading(row), url_for(f"{view.endpoint}.show", pk=row.id), kind.note(row))
            for row in rows
        ],
    )


def _group(name: str, results: list[Found]) -> Group:
    return Group(name, results[:PER_GROUP], len(results) > PER_GROUP)


def _has(column: Any, text: str) -> ColumnElement[bool]:
    criterion: ColumnElement[bool] = column.icontains(text, autoescape=True)
    return criterion


def _numbered(model: Any, text: str) -> ColumnElement[bool]:
    criterion: ColumnElement[bool] = model.id == (row_id(text.removeprefix("#")) or 0)
    return criterion
