"""The phone number on a lead's and a hit's page: masked, with the button that shows it whole."""

from __future__ import annotations

from flask import render_template, url_for
from markupsafe import Markup

from app.console import formats
from app.console.access import may
from app.models import Hit, Lead


def phone_of_lead(lead: Lead) -> Markup:
    """The masked number, and for who may the button beside it."""
    if not may("can_reveal", "LeadView"):
        return formats.code(lead.phone_masked)
    url = url_for("LeadView.reveal", pk=lead.id)
    return Markup(render_template("leads/phone.html", lead=lead, url=url))  # noqa: S704 - an escaping template


def phone_of_hit(hit: Hit) -> Markup:
    """The number of the lead that was hit."""
    return phone_of_lead(hit.lead)
