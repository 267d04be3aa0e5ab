"""The contact panel of a customer: whether they may be contacted, the number, the script, and the results."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _

from app import labels
from app.access.people import name_of
from app.console.access import may
from app.hits import owner, results
from app.hits.contacts import last_contacts
from app.hits.together import LATER, open_hits
from app.lib import clock
from app.models import ContactResult, Customer, Hit, ResultKind
from app.outreach import by_hand, templates
from app.outreach.by_hand import CALL, Answer
from app.outreach.compliance import REASONS
from app.screens.hits.labels import wrong_number
from app.screens.leads import phone

#: scripts that the panel shows at most
MAX_SCRIPTS = 3


def contact(hit: Hit) -> dict[str, Any]:
    """Return what the panel shows besides the work on the hit."""
    customer, judged = owner.of_hit(hit), by_hand.judged(hit, as_customer=on_customer_page())
    answers = by_hand.answers(judged, g.user)
    call = next(each for each in answers if each.channel == CALL)
    return {
        # A note above says so, which is reason enough.
        "lines": []
        if _is_noted(hit) and {"opted_out", "holdout", "converted"} & set(call.held)
        else _lines(answers),
        "allowed_by": _allowed_by(call),
        "allow_url": _allow_url(call, customer),
        "phone": phone.phone_to_call(judged, _refusal(call) if call.held else ""),
        "buttons": [_button(each, hit) for each in answers] if may("can_contact_one", "HitView") else [],
        "scripts": scripts(hit),
        "may_talk": not call.held and hit.status in owner.OPEN,
        "results": [_choice(each) for each in results.choices()],
        "several": customer.open_hits if customer.open_hits > 1 else 0,
        "later": LATER,
        "wrong_number": wrong_number(last_contacts([hit.lead_id]).get(hit.lead_id)),
        "confirmed": hit.bought
        or (on_customer_page() and any(each.bought for each in open_hits(hit.lead_id))),
        "on_customer": on_customer_page(),
    }


def _is_noted(hit: Hit) -> bool:
    return hit.opted_out or hit.holdout or hit.bought or hit.lead.opted_out


def on_customer_page() -> bool:
    """Whether the panel stands on the page of a customer, not of a hit."""
    return request.blueprint == "CustomerView" or request.form.get("page") == "customer"


def _lines(answers: list[Answer]) -> list[tuple[bool, str]]:
    """Return whether contact is allowed now, why not and from when; one line for both channels if alike."""
    first = answers[0]
    if all(not each.held for each in answers):
        return [(True, _("May be called and written to now"))]
    if all((each.held, each.from_when) == (first.held, first.from_when) for each in answers):
        return [(False, _("Not to be contacted now: %(why)s", why=_refusal(first)))]
    return [_line(each) for each in answers]


def _line(answer: Answer) -> tuple[bool, str]:
    if not answer.held:
        return True, _("May be called now") if answer.channel == CALL else _("May be written to now")
    if answer.channel == CALL:
        return False, _("Not to be called now: %(why)s", why=_refusal(answer))
    return False, _("Not to be written to now: %(why)s", why=_refusal(answer))


def _refusal(answer: Answer) -> str:
    return _why_not(answer.held, answer.from_when)


def _why_not(held: list[str], from_when: dt.datetime | None) -> str:
    """Return the reasons, and from when they are over."""
    why = " · ".join(labels.word(REASONS, code) for code in held)
    if from_when is None:
        return why
    moment = f"{labels.local(from_when):%Y-%m-%d %H:%M}"
    return _("%(why)s, possible from %(moment)s", why=why, moment=moment)


def _allowed_by(call: Answer) -> str:
    if call.allowed_by is None:
        return ""
    return _(
        "%(person)s allowed a call outside contact hours today: %(reason)s",
        person=name_of(call.allowed_by.person),
        reason=call.allowed_by.note,
    )


def _allow_url(call: Answer, customer: Customer) -> str:
    if not may("can_allow_call", "CustomerView") or not by_hand.may_allow(call, customer, g.user):
        return ""
    return url_for("CustomerView.allow_call", pk=customer.id)


def _button(answer: Answer, hit: Hit) -> dict[str, str]:
    """Return the button that contacts the customer by a channel, which is off while a rule forbids it.

    Sending obeys contact hours itself, so that a call let pass is one by hand.
    """
    view, key = ("CustomerView", hit.lead_id) if on_customer_page() else ("HitView", hit.id)
    return {
        "word": labels.word(labels.OUTREACH_ACTION, answer.channel),
        "url": url_for(f"{view}.contact_one", pk=key, channel=answer.channel),
        "refusal": _why_not(answer.verdict.held, answer.from_when) if answer.verdict.held else "",
    }


def scripts(hit: Hit) -> list[tuple[str, str]]:
    """Return names and texts of the call templates for the products of the hit's rule."""
    found = templates.for_products(CALL, hit.version.products)[:MAX_SCRIPTS]
    day = clock.today()
    return [(each.name, templates.example(each.versions[0], hit.lead, day, "")) for each in found]


def _choice(result: ContactResult) -> dict[str, Any]:
    """Return the button of a result, with what follows from it."""
    day = results.suggested(result)
    if day is not None:
        hint = _("next contact %(day)s", day=f"{day:%m-%d}")
    elif result.kind == ResultKind.CALL_BACK:
        hint = _("then day and time")
    elif result.close_reason is not None and result.close_reason.refusal:
        hint = _("closes · do not disturb")
    else:
        hint = _("closes")
    return {"id": result.id, "name": results.name_of(result), "kind": result.kind, "hint": hint}
