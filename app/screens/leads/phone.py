"""The phone number on the pages of leads and hits: masked, with a button to reveal it."""

from __future__ import annotations

from flask import render_template, url_for
from markupsafe import Markup

from app.console import formats
from app.console.access import may
from app.models import Hit, Lead


def phone_of_lead(lead: Lead) -> Markup:
    """Return the masked number of a lead, with the button for users who may reveal it."""
    if not may("can_reveal", "LeadView"):
        return formats.code(lead.phone_masked)
    url = url_for("LeadView.reveal", pk=lead.id)
    return Markup(render_template("leads/phone.html", lead=lead, url=url))  # noqa: S704 - an escaping template


def phone_of_hit(hit: Hit) -> Markup:
    """Return the same for the lead of a hit."""
    return phone_of_lead(hit.lead)
