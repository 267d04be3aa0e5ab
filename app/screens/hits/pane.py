"""What the page of one hit shows beside its row: contact pane, steps to take, history."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_babel import gettext as _

from app import labels
from app.console.access import may
from app.hits import assignment, steps
from app.models import Hit
from app.outreach import why
from app.rules import describe
from app.screens.hits import forms as hit_forms
from app.screens.hits import labels as hit_words
from app.screens.leads import phone

#: step → the permission that its button or form needs
PERMISSIONS = {
    "claim": "claim",
    "start": "start",
    "reopen": "reopen",
    **dict.fromkeys(hit_forms.FORMS, "can_work"),
}


def pane(hit: Hit, tried: tuple[str, Any] | None = None) -> dict[str, Any]:
    """What the contact pane draws; ``tried`` is a step with its form that was refused."""
    titles = {
        "follow_up": (_("Follow up"), _("Save the follow-up")),
        "convert": (_("Converted"), _("Mark converted")),
        "close": (_("No result"), _("Close the hit")),
        "correct": (_("Correct the conversion"), _("Save the correction")),
    }
    offered = [step for step in hit_forms.FORMS if offers(step, hit)]
    forms = [(step, *titles[step], _form(step, hit, tried)) for step in offered]
    return {
        "hit": hit,
        "phone": phone.phone_of_hit(hit),
        "reason": describe.reason(hit),
        "owner": hit_words.owner(hit),
        "due": hit_words.due(hit.next_on),
        "forms": forms,
        "open": tried[0] if tried else (offered[0] if offered and offered[0] == "follow_up" else ""),
        "history": hit_words.history(steps.steps_of(hit), why.of_hit(hit)),
        "amount": hit_words.amount(hit),
        "converted": labels.local(hit.converted_at).date() if hit.converted_at else None,
        "people": _people(hit),
        "units": {"convert-amount": _("yuan")},
    }


def offers(step: str, hit: Hit) -> bool:
    """Whether the person at the screen may take the step, and could now."""
    return may(PERMISSIONS[step], "HitView") and steps.allows(hit, step, g.user)


def _people(hit: Hit) -> list[tuple[str, str]]:
    """Whom the person at the screen can give the hit to, as far as these see the lead."""
    if not may("assign", "HitView") or not steps.allows(hit, "assign", g.user):
        return []
    found = [each for each in assignment.assignees(g.user) if steps.reachable(hit, each)]
    return [(str(each.id), each.get_full_name()) for each in found]


def _form(step: str, hit: Hit, tried: tuple[str, Any] | None) -> Any:
    return tried[1] if tried and tried[0] == step else hit_forms.fresh(step, hit)
