"""What can be done with the leads of a segment or quadrant, each with the same selection."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import g, url_for
from flask_babel import gettext as _

from app import labels
from app.bulk import VIEW as LEADS
from app.console import urls
from app.console.access import may
from app.console.table import Link
from app.models import Customer, CustomerState, Lead
from app.selection import Selection

CUSTOMERS = "CustomerView"


class Acts(NamedTuple):
    """The acts on leads, on customers who can be worked, and the filters of those customers."""

    leads: list[Link]
    customers: list[Link]
    selected: Selection


def of(column: str, value: Any) -> Acts:
    """Return the acts that the user may do with the leads that a filter finds."""
    on_leads = [(column, "is", str(value))]
    on_customers = [*on_leads, ("state", "is", CustomerState.OPEN.value)]

    def lead(path: str) -> str:
        return urls.filtered(path, Lead, on_leads)

    def customer(path: str) -> str:
        return urls.filtered(path, Customer, on_customers)

    leads = [
        (LEADS, "can_bulk", _("Add or remove a tag"), lead(url_for("LeadView.bulk"))),
        (LEADS, "can_export_all", _("Export all"), lead(url_for("LeadView.export_all"))),
    ]
    customers = [
        *(
            (CUSTOMERS, "can_contact_many", labels.word(labels.OUTREACH_BULK_ACTION, channel), customer(path))
            for channel in labels.OUTREACH_BULK_ACTION
            if (path := url_for("CustomerView.contact_many", channel=channel))
        ),
        (CUSTOMERS, "can_assign_all", _("Assign"), customer(url_for("CustomerView.assign_all"))),
        (CUSTOMERS, "can_export_all", _("Export all"), customer(url_for("CustomerView.export_all"))),
        (CUSTOMERS, "can_list", _("View the customers"), customer(url_for("CustomerView.list"))),
    ]
    return Acts(_allowed(leads), _allowed(customers), Selection(Customer, tuple(on_customers), g.user))


def _allowed(acts: list[tuple[str, str, str, str]]) -> list[Link]:
    return [Link(word, url) for view, permission, word, url in acts if may(permission, view)]
