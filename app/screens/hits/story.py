"""What the pages of customers and hits tell first: reason, next contact, contacts; checks are folded."""

from __future__ import annotations

from typing import Any

from flask import g, url_for

from app import labels
from app.console.access import may
from app.hits import owner
from app.hits.owner import OPEN
from app.models import Hit
from app.outreach import why
from app.outreach.compliance import PASSED, REASONS
from app.rules import describe
from app.screens.hits import labels as hit_labels


def story(hit: Hit) -> dict[str, Any]:
    """Return what the card above the others shows for the chosen hit."""
    customer = owner.of_hit(hit)
    return {
        "hit": hit,
        "reason": describe.reason(hit),
        "arithmetic": describe.arithmetic(hit),
        "seen_at": describe.seen_at(hit),
        "next": hit_labels.next_contact(customer) if hit.status in OPEN else "",
        "sentence": describe.version_sentence(hit.version),
    }


def checks(hit: Hit) -> dict[str, Any]:
    """Return the check-lists of the compliance rules, if the user may see contacts."""
    return {
        "verdicts": why.of_hit_now(hit, g.user) if may("can_list", "OutreachView") else [],
        "words": REASONS,
        "passed": PASSED,
        "channel": lambda code: labels.word(labels.OUTREACH_CHANNEL, code),
    }


def activity_url(hit: Hit) -> str:
    """Return the address of the customer's activity and facts, which the page loads by itself."""
    return url_for("CustomerView.activity", pk=hit.lead_id) if may("can_show", "CustomerView") else ""
