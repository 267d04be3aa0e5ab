"""The phone number on the pages of leads and customers: masked, with reasons for which it is revealed."""

from __future__ import annotations

from typing import Any

from flask import render_template, url_for
from flask_babel import gettext as _
from markupsafe import Markup, escape

from app.console import formats
from app.console.access import may
from app.models import Hit, Lead
from app.outreach import by_hand


def phone_of_lead(lead: Lead) -> Markup:
    """Return the masked number of a lead, with the reasons for users who may reveal it; shown for a while."""
    return _phone(lead)


def phone_to_call(hit: Hit, refusal: str) -> Markup:
    """Return the masked number of a customer, which stays revealed while the page is open.

    ``refusal`` says why the customer can't be called now for the hit, if so.
    """
    call = {"code": by_hand.CALL, "word": _("Call the customer"), "refusal": refusal}
    return _phone(hit.lead, call, keep=True, refusal=refusal, hit=hit)


def _phone(lead: Lead, *more: dict[str, str], **values: Any) -> Markup:
    if not may("can_reveal", "LeadView"):
        return escape(formats.code(lead.phone_masked))
    reasons = [
        *more,
        {"code": "", "word": _("The customer called")},
        {"code": "", "word": _("Check the customer's data")},
    ]
    url = url_for("LeadView.reveal", pk=lead.id)
    shown = render_template("leads/phone.html", lead=lead, url=url, reasons=reasons, **values)
    return Markup(shown)  # noqa: S704 - an escaping template
