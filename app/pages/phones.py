"""The phone number on a lead's and a hit's page: masked, with the button that shows it whole."""

from __future__ import annotations

from flask import render_template, url_for
from markupsafe import Markup

from app import labels
from app.models import Hit, Lead
from app.pages.access import may


def phone_of_lead(lead: Lead) -> Markup:
    """The masked number, and for who may the button beside it."""
    if not may("can_reveal", "LeadView"):
        return labels.code(lead.phone_masked)
    url = url_for("LeadView.reveal", pk=lead.id)
    return Markup(render_template("widgets/phone.html", lead=lead, url=url))  # noqa: S704 - an escaping template


def phone_of_hit(hit: Hit) -> Markup:
    """The number of the lead that was hit."""
    return phone_of_lead(hit.lead)
