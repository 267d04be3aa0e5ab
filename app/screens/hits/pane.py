"""The contact pane of a hit's page: contact data, available steps and history."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask_babel import gettext as _

from app import labels
from app.console.access import may
from app.hits import assignment, owner, results, steps
from app.models import Customer, Hit, HitStatus
from app.outreach import why
from app.rules import conversions, describe
from app.screens.hits import contact
from app.screens.hits import forms as hit_forms
from app.screens.hits import labels as hit_labels
from app.screens.leads import disturb

#: step → required permission
PERMISSIONS = {
    "start": "start",
    "reopen": "reopen",
    **dict.fromkeys(hit_forms.FORMS, "can_work"),
}


def pane(
    hit: Hit, refused: tuple[str, Any] | None = None, *, customer: Customer | None = None
) -> dict[str, Any]:
    """Return what the pane's template needs; ``refused`` is a step whose posted form was refused.

    On the page of a customer the history is that of all their hits.
    """
    titles = {
        "follow_up": (_("How did it end?"), _("Save the follow-up")),
        "convert": (_("Converted"), _("Mark converted")),
        "close": (_("No result"), _("Close the hit")),
        "correct": (_("Correct the conversion"), _("Save the correction")),
    }
    if contact.on_customer_page() and (n := owner.of_hit(hit).open_hits) > 1:
        titles["close"] = (_("No result"), _("Close all %(n)s hits", n=n))
    offered = [step for step in hit_forms.FORMS if offers(step, hit)]
    forms = [(step, *titles[step], _form(step, hit, refused)) for step in offered]
    return {
        "hit": hit,
        "disturb": disturb.why(hit.lead) if hit.lead.opted_out else [],
        "by_outcomes": conversions.judged_by_outcomes(),
        "reason": describe.reason(hit),
        "withdrawn": hit_labels.withdrawn(hit),
        "owner": hit_labels.owner(hit),
        "queue": _queue(),
        "held": held(owner.of_hit(hit)),
        "due": hit_labels.next_contact(owner.of_hit(hit)) if hit.status in owner.OPEN else "",
        "forms": forms,
        "refused": refused is not None,
        "open": refused[0] if refused else (offered[0] if offered and offered[0] == "follow_up" else ""),
        "history": _history_of(customer)
        if customer
        else hit_labels.history(steps.steps_of(hit), why.of_hit(hit)),
        "amount": hit_labels.amount(hit),
        "converted": labels.local(hit.converted_at).date() if hit.converted_at else None,
        "units": {"convert-amount": _("yuan")},
    } | contact.contact(hit)


def _history_of(customer: Customer) -> list[dict[str, Any]]:
    """Return the steps on all hits of a customer, each with its hits, and the contacts."""
    events = steps.steps_with(customer)
    hits = steps.hits_of(customer.id, events)
    return hit_labels.history(events, why.history(customer.lead), hits)


def offers(step: str, hit: Hit) -> bool:
    """Whether the user has the permission for a step and the hit allows it now.

    What is done with a waiting hit that the user may contact starts it.
    """
    if not may(PERMISSIONS[step], "HitView"):
        return False
    if step == "follow_up":
        return results.is_allowed(hit, g.user)
    starts = step == "convert" and hit.status == HitStatus.WAITING and steps.is_allowed(hit, "start", g.user)
    return starts or steps.is_allowed(hit, step, g.user)


def _queue() -> str:
    """Return the queue in which the customer's page is shown, to stay in it after a step."""
    return request.form.get("queue") or request.args.get("queue") or ""


def held(customer: Customer) -> dict[str, Any]:
    """Return what the card of the owner shows: who has the customer, since when, and what can be done."""
    words = {
        "claim": _("Claim"),
        "give_back": _("Give back"),
        "ask": _("Ask for a handover"),
        "grant": _("Hand over"),
        "decline": _("Keep the customer"),
    }
    steps = {
        step: word
        for step, word in words.items()
        if may(step, "CustomerView") and owner.is_allowed(customer, step, g.user)
    }
    return {
        "customer": customer,
        "owner": customer.owner.get_full_name() if customer.owner else "",
        "mine": customer.owner_id == g.user.id,
        "since": f"{labels.local(customer.owned_since):%Y-%m-%d %H:%M}" if customer.owned_since else "",
        "asked_by": customer.asked_by.get_full_name() if customer.asked_by else "",
        "steps": steps,
        "assignees": _assignees(customer),
        "assign": "assign" if may("assign", "CustomerView") else "hand_over",
        "alone": _alone(customer),
    }


def _alone(customer: Customer) -> str:
    """Return why the user can't hand over a customer of their own to anybody, if so."""
    wanted = may("hand_over", "CustomerView") and owner.is_allowed(customer, "hand_over", g.user)
    return str(hit_labels.NO_COLLEAGUE) if wanted and not _assignees(customer) else ""


def _assignees(customer: Customer) -> list[tuple[str, str]]:
    """Return the users to whom this user may assign the customer, limited to those who may see the lead."""
    step = "assign" if may("assign", "CustomerView") else "hand_over"
    if not may(step, "CustomerView") or not owner.is_allowed(customer, step, g.user):
        return []
    users = [user for user in assignment.assignees(g.user) if owner.may_own(customer.id, user)]
    users = [user for user in users if step == "assign" or user != g.user]
    return assignment.labelled(users)


def _form(step: str, hit: Hit, refused: tuple[str, Any] | None) -> Any:
    if refused and refused[0] == step:
        return refused[1]
    return hit_forms.new_form(step, hit, as_customer=contact.on_customer_page())
