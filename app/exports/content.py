"""The columns of exported lists of leads and hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Query, joinedload

from app import labels
from app.access.people import full_names
from app.exports import fact_columns
from app.facts.definition import FactDef
from app.leads.phone import PhoneVault
from app.models import Customer, Hit, HitStatus, Lead
from app.rules import conversions, describe

ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Content:
    """The columns of one kind of export. ``loaded`` are loader options for what the cells need.

    ``cells`` returns the function that makes the cells of a row, when an export begins.
    """

    model: type[Any]
    header: Callable[[], list[str]]
    cells: Callable[[], Callable[[Any, PhoneVault | None], list[str]]]
    loaded: tuple[Any, ...]


def rows(
    content: Content, query: Query[Any], vault: PhoneVault | None = None, facts: Sequence[FactDef] = ()
) -> Iterator[list[str]]:
    """Yield the rows of a query on the content's table as text, by id, reading ROWS_AT_ONCE at a time.

    Phone numbers are masked unless a vault is given. The values of facts stand in further columns.
    """
    last_id, cells, unknown = 0, content.cells(), [""] * len(facts)
    known = fact_columns.reader(facts) if facts else None
    while page := _rows_after(last_id, content, query):
        last_id = page[-1].id
        of_facts = known(sorted({_lead_of(row) for row in page})) if known else {}
        for row in page:
            yield [*cells(row, vault), *of_facts.get(_lead_of(row), unknown)]


def _lead_of(row: Any) -> int:
    # The key of a customer is that of their lead.
    return int(row.lead_id if isinstance(row, Hit) else row.id)


def _rows_after(last_id: int, content: Content, query: Query[Any]) -> list[Any]:
    following = query.filter(content.model.id > last_id).order_by(None).order_by(content.model.id)
    return list(following.options(*content.loaded).limit(ROWS_AT_ONCE))


def watermark(user: str, moment: dt.datetime, approved_by: str | None = None) -> str:
    """Return the first row of an export: who made it, when, and who approved unmasked phone numbers."""
    names = full_names(filter(None, (user, approved_by)))
    who, by = (f"{names[each]} ({each})" if each in names else each for each in (user, approved_by or ""))
    values = {"who": who, "time": f"{labels.local(moment):%Y-%m-%d %H:%M}"}
    if approved_by is None:
        return _("Exported by %(who)s, %(time)s · phones masked · for use within the bank only", **values)
    return _(
        "Exported by %(who)s, %(time)s · phones in clear, approved by %(by)s · strictly confidential",
        by=by,
        **values,
    )


def _lead_header() -> list[str]:
    return [
        _("Lead no."),
        _("Customer name"),
        _("Phone"),
        _("Source channel"),
        _("Status"),
        _("Branch"),
        _("Created"),
    ]


def _phone(lead: Lead, vault: PhoneVault | None) -> str:
    return lead.phone_masked if vault is None else vault.decrypt(lead.phone_cipher)


def _lead_cells(lead: Lead, vault: PhoneVault | None) -> list[str]:
    return [
        lead.lead_no,
        lead.name,
        _phone(lead, vault),
        lead.source,
        labels.word(labels.LEAD_STATUS, lead.status),
        lead.branch.name if lead.branch else "",
        _moment(lead.created_at),
    ]


def _hit_header() -> list[str]:
    return [
        _("Lead no."),
        _("Customer name"),
        _("Phone"),
        _("Branch"),
        _("Rule hit"),
        _("Rule version"),
        _("Grade"),
        _("Score"),
        _("Reason"),
        _("Hit date"),
        _("Status"),
        _("Outcome on"),
        _("Conversion") if conversions.judged_by_outcomes() else _("Conversion (as marked, not confirmed)"),
    ]


def _hit_cells() -> Callable[[Hit, PhoneVault | None], list[str]]:
    by_outcomes = conversions.judged_by_outcomes()

    def cells(hit: Hit, vault: PhoneVault | None) -> list[str]:
        converted = hit.converted if by_outcomes else hit.status == HitStatus.CONVERTED
        return [*_cells_of_hit(hit, vault), labels.yes_no(converted)]

    return cells


def _cells_of_hit(hit: Hit, vault: PhoneVault | None) -> list[str]:
    return [
        hit.lead.lead_no,
        hit.lead.name,
        _phone(hit.lead, vault),
        hit.lead.branch.name if hit.lead.branch else "",
        hit.rule.name,
        f"v{hit.version.number}",
        hit.grade,
        f"{hit.score:.2f}",
        describe.reason(hit),
        hit.hit_date.isoformat(),
        labels.word(labels.ANY_HIT_STATUS, hit.status),
        hit.outcome_on.isoformat() if hit.outcome_on else "",
    ]


def _customer_header() -> list[str]:
    return [
        _("Lead no."),
        _("Customer name"),
        _("Phone"),
        _("Branch"),
        _("Grade"),
        _("Open hits"),
        _("Reason"),
        _("Hit date"),
        _("Status"),
        _("Assignee"),
        _("Next contact"),
    ]


def _customer_cells(customer: Customer, vault: PhoneVault | None) -> list[str]:
    return [
        customer.lead.lead_no,
        customer.lead.name,
        _phone(customer.lead, vault),
        customer.lead.branch.name if customer.lead.branch else "",
        customer.grade,
        str(customer.open_hits),
        describe.reason(customer.hit) if customer.hit else "",
        customer.hit_date.isoformat() if customer.hit_date else "",
        labels.word(labels.ANY_HIT_STATUS, customer.status),
        customer.owner.get_full_name() if customer.owner else "",
        customer.next_on.isoformat() if customer.next_on else "",
    ]


def _moment(moment: dt.datetime) -> str:
    return f"{labels.local(moment):%Y-%m-%d %H:%M:%S}"


CONTENTS = {
    "leads": Content(Lead, _lead_header, lambda: _lead_cells, (joinedload(Lead.branch),)),
    "customers": Content(
        Customer,
        _customer_header,
        lambda: _customer_cells,
        (
            joinedload(Customer.lead).joinedload(Lead.branch),
            joinedload(Customer.hit),
            joinedload(Customer.owner),
        ),
    ),
    "hits": Content(
        Hit,
        _hit_header,
        _hit_cells,
        (joinedload(Hit.lead).joinedload(Lead.branch), joinedload(Hit.rule), joinedload(Hit.version)),
    ),
}
