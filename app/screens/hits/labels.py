"""Hits and their history as text and HTML, in the reader's language."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup

from app import labels
from app.console import formats, people
from app.console.access import may
from app.hits import owner as owners
from app.hits import results
from app.hits.contacts import LastContact
from app.lib import clock
from app.models import ContactResult, Customer, CustomerState, Hit, HitEvent, Outreach, ResultKind, Rule
from app.outreach.compliance import REASONS
from app.rules import describe
from app.screens.leads import disturb

#: what the dialog that closes ticked rows says when some of them were converted
BOUGHT_AMONG = lazy_gettext(
    "The bank's own system says that %(n)s of the ticked have bought. Close only what was not converted.",
    n="{n}",
)
STEP = {
    "claim": lazy_gettext("Claimed"),
    "assign": lazy_gettext("Assigned"),
    "start": lazy_gettext("Contact started"),
    "allow_call": lazy_gettext("Call outside contact hours allowed"),
    "follow_up": lazy_gettext("Followed up"),
    "convert": lazy_gettext("Converted"),
    "close": lazy_gettext("Closed"),
    "reopen": lazy_gettext("Reactivated"),
    "correct": lazy_gettext("Conversion corrected"),
    "escalate": lazy_gettext("Escalated: follow-up overdue"),
    "give_back": lazy_gettext("Given back"),
    "task": lazy_gettext("Task from a journey"),
    "hand": lazy_gettext("Handed over by a journey"),
    "ask": lazy_gettext("Handover asked for"),
    "decline": lazy_gettext("Handover declined"),
    "undo": lazy_gettext("Taken back"),
    "withdraw": lazy_gettext("Withdrawn: no longer true after a correction of logs"),
    "restore": lazy_gettext("Live again: true again by newer logs"),
}
#: the last contact, where the step ended one of several hits
ENDED = {"convert": lazy_gettext("One hit converted"), "close": lazy_gettext("One hit closed")}
RESULT_KIND = {
    "next": lazy_gettext("Another contact"),
    "call_back": lazy_gettext("Call at an agreed time"),
    "close": lazy_gettext("Closes the hits"),
}
#: why a customer can't be handed over, and what to do
NO_COLLEAGUE = lazy_gettext(
    "Nobody else works with the customers of your branch. Give the customer back, or ask a manager to assign"
    " them to somebody."
)
#: what the product notes on its own steps, besides results of contacts
OWN_NOTES = {
    "one_owner": lazy_gettext(
        "A customer has one owner: open hits went to whoever worked on the customer first."
    )
}


def status(hit: Hit) -> Markup:
    """Return the status as a tag with do-not-contact marks."""
    tag = formats.tag(labels.ANY_HIT_STATUS, "hit")(hit.status)
    # A single element, because the cell is a grid on narrow screens.
    return Markup("<span>{}{}</span>").format(tag, _do_not_contact(hit))


def withdrawn(hit: Hit) -> str:
    """Return since when and why a hit is withdrawn, empty for one that is not."""
    if hit.withdrawn_at is None or hit.correction is None:
        return ""
    return _(
        "Withdrawn on %(moment)s: no longer true since the log file %(file)s was corrected (%(why)s). It"
        " counts nowhere any more; what was done on it stays.",
        moment=f"{labels.local(hit.withdrawn_at):%Y-%m-%d %H:%M}",
        file=hit.correction.file.name,
        why=hit.correction.reason,
    )


def _do_not_contact(hit: Hit) -> Markup:
    """Return grey tags for the reasons why the customer is never contacted."""
    marks = [
        (hit.opted_out and not hit.lead.opted_out, _("Do not disturb")),
        (hit.holdout, _("Holdout group")),
        (hit.bought, _("Converted (confirmed)")),
    ]
    return disturb.mark(hit.lead) + Markup("").join(
        Markup(' <span class="tag">{}</span>').format(word) for applies, word in marks if applies
    )


def due(day: dt.date | None) -> Markup:
    """Return the due date of a hit, in red when it is overdue."""
    if day is None:
        return Markup("")
    late = (clock.today() - day).days
    if late > 0:
        return Markup('<b class="late">{}</b>').format(
            ngettext("%(num)s day overdue", "%(num)s days overdue", late)
        )
    if late == 0:
        return Markup("<b>{}</b>").format(_("due today"))
    return Markup("<time>{}</time>").format(day.isoformat())


def owner(hit: Hit | Customer) -> str:
    """Return the owner's full name."""
    return hit.owner.get_full_name() if hit.owner else _("nobody yet")


def customer_status(customer: Customer) -> Markup:
    """Return the status of a customer as a tag, with the reason why nobody may contact them."""
    tag = formats.tag(labels.ANY_HIT_STATUS, "hit")(customer.status)
    if customer.state != CustomerState.BLOCKED or customer.hit is None:
        return Markup("<span>{}</span>").format(tag)
    return Markup("<span>{}{}</span>").format(tag, _do_not_contact(customer.hit))


def customer(row: Customer) -> Markup:
    """Return the name and the number of a customer on one line, with a mark for a wrong phone number."""
    last = g.get("last_contacts", {}).get(row.id)
    return Markup('<span class="compact">{} <small>{}</small>{}</span>').format(
        row.lead.name, row.lead.lead_no, wrong_number(last)
    )


def wrong_number(last: LastContact | None) -> Markup:
    """Return the mark of a customer whose last contact found that the number is not theirs."""
    if last is None or not last.wrong_number:
        return Markup("")
    return Markup(' <span class="tag tag-lead-paused">{}</span>').format(_("Number to be checked"))


def rule(rule: Rule) -> Markup:
    """Return the name of a rule with its code on hover, as a link for who may open it."""
    text = Markup('<span title="{}">{}</span>').format(rule.code, rule.name)
    if not may("can_show", "RuleView"):
        return text
    return Markup('<a href="{}">{}</a>').format(url_for("RuleView.show", pk=rule.id), text)


def next_date(hit: Hit) -> Markup:
    """Return the date of an open hit's next contact, in red when it is overdue."""
    return due(hit.next_on) if hit.status in owners.OPEN else Markup("")


def next_contact(row: Customer) -> Markup | str:
    """Return the date of the next contact, in red when it is overdue."""
    if row.next_on is None:
        return ""
    agreed = Markup(" {}").format(call_time(row)) if row.call_back_at else ""
    return Markup('<span class="compact">{}{}</span>').format(due(row.next_on), agreed)


def call_time(row: Customer) -> Markup:
    """Return the local time at which the customer wants to be called."""
    return Markup("<b>{}</b>").format(f"{labels.local(row.call_back_at):%H:%M}" if row.call_back_at else "")


def newest_reason(customer: Customer) -> str:
    """Return the reason of the newest hit."""
    return describe.reason(customer.hit) if customer.hit else ""


def held_by(customer: Customer) -> Markup | str:
    """Return the owner's name, with since when on hover."""
    if customer.owner is None or customer.owned_since is None:
        return ""
    since = f"{labels.local(customer.owned_since):%Y-%m-%d %H:%M}"
    title = _("since %(moment)s", moment=since)
    asked = Markup(' <span class="tag">{}</span>').format(_("asked for")) if customer.asked_by_id else ""
    name = customer.owner.get_full_name()
    return Markup('<span class="compact" title="{}">{}</span>{}').format(title, name, asked)


def last_contact(customer_id: int) -> Markup | str:
    """Return the last contact's result and when it was, as loaded for the page."""
    contact = g.get("last_contacts", {}).get(customer_id)
    if contact is None:
        return ""
    words = labels.contact_words(contact.channel) if contact.channel else STEP | ENDED
    channel = labels.word(labels.OUTREACH_CHANNEL, contact.channel) if contact.channel else ""
    # The result comes first: a narrow cell cuts the end off.
    result = contact.name or " · ".join(filter(None, (labels.word(words, contact.result), channel)))
    at = labels.local(contact.at)
    when = Markup('<time title="{}">{}</time>').format(f"{at:%Y-%m-%d %H:%M}", f"{at:%m-%d}")
    return Markup('<span class="compact dated" title="{}"><span>{}</span> <small>{}</small></span>').format(
        result, result, when
    )


def source(hit: Hit) -> str:
    """Return the lead's source channel."""
    return hit.source


def amount(hit: Hit) -> str:
    """Return the amount of the conversion in yuan."""
    return "" if hit.amount is None else _("%(n)s yuan", n=f"{hit.amount:,.2f}")


def names_of(hits: list[Hit]) -> str:
    """Return rule and date of hits."""
    return labels.joined([f"{hit.rule.name} {hit.hit_date}" for hit in hits])


def step(event: HitEvent) -> str:
    """Return the result of the contact of which the step tells, else the name of the step."""
    what = results.name_of(event.result) if event.result else ""
    if event.kind == "undo":
        return _("Taken back: %(what)s", what=what or labels.word(STEP, event.note))
    return what or labels.word(STEP, event.kind)


def event(row: HitEvent) -> dict[str, Any]:
    """Return a step as the history shows it."""
    return {
        "kind": row.kind,
        "text": step(row),
        "status": formats.tag(labels.ANY_HIT_STATUS, "hit")(row.to_status),
        # The step and the status of a conversion have the same name; show it once.
        "moved": row.from_status != row.to_status and row.kind != "convert",
        "person": people.shown(row.person),
        "owner": people.shown(row.owner) if row.kind == "assign" else "",
        "note": _note(row),
        "next_on": row.next_on if row.kind in ("follow_up", "claim", "assign", "task", "hand") else None,
        "at": formats.when(row.at),
    }


def contact(row: Outreach) -> dict[str, Any]:
    """Return an outreach contact, made or held back, as the history shows it."""
    why = labels.word(REASONS, row.reason) if row.reason else ""
    return {
        "kind": "contact",
        "text": labels.word(labels.OUTREACH_CHANNEL, row.channel),
        "status": formats.contact_tag(row.channel, row.status),
        "moved": True,
        "person": people.shown(row.batch.created_by),
        "note": " · ".join(map(str, filter(None, (row.version, why, row.note)))),
        "at": formats.when(row.sent_at or row.at),
    }


def history(
    steps: list[HitEvent], contacts: list[Outreach], hits: dict[int, list[Hit]] | None = None
) -> list[dict[str, Any]]:
    """Return the steps and contacts of a hit in one list, newest first, each step with its ``hits``."""
    named = {key: names_of(found) for key, found in (hits or {}).items()}
    entries = [(each.at, each.id, event(each) | {"hits": named.get(each.id, "")}) for each in steps]
    entries += [(row.sent_at or row.at, 0, contact(row)) for row in contacts]
    return [entry for _at, _id, entry in sorted(entries, key=lambda each: each[:2], reverse=True)]


def _note(row: HitEvent) -> str:
    """Return the note; the system's note on a contact is the code of its outcome."""
    if row.kind == "undo":
        return ""
    return (
        labels.word(labels.OUTREACH_STATUS | OWN_NOTES, row.note) if row.person == owners.SYSTEM else row.note
    )


def after(result: ContactResult) -> str:
    """Return the days after which a result suggests the next contact."""
    if result.kind != ResultKind.NEXT:
        return ""
    return ngettext("%(num)s day", "%(num)s days", result.next_days)
