"""Hits and the work on them in words, in the language of the person who reads."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup, escape

from app import labels
from app.console import formats
from app.hits import steps as work
from app.lib import clock
from app.models import Hit, HitEvent, Outreach
from app.outreach.compliance import REASONS

STEP = {
    "claim": lazy_gettext("Claimed"),
    "assign": lazy_gettext("Assigned"),
    "start": lazy_gettext("Contact started"),
    "follow_up": lazy_gettext("Followed up"),
    "convert": lazy_gettext("Converted"),
    "close": lazy_gettext("Closed"),
    "reopen": lazy_gettext("Reactivated"),
    "correct": lazy_gettext("Conversion corrected"),
    "escalate": lazy_gettext("Escalated: follow-up overdue"),
}


def status(hit: Hit) -> Markup:
    """The status as a tag and why nobody is contacted; for open hits whose they are and when they are due."""
    tag = formats.tag(labels.HIT_STATUS, "hit")(hit.status)
    # One element: on a phone the cell is a grid.
    shown = Markup("<span>{}{}</span>").format(tag, _left_alone(hit))
    if hit.owner is None or hit.status not in work.OPEN:
        return shown
    return Markup('{}<span class="hit-owner">{}{}</span>').format(
        shown, escape(hit.owner.get_full_name()), due(hit.next_on, " · ")
    )


def _left_alone(hit: Hit) -> Markup:
    """Grey tags for who is never contacted."""
    found = [(hit.opted_out or hit.lead.opted_out, _("Do not disturb")), (hit.holdout, _("Holdout group"))]
    return Markup("").join(
        Markup(' <span class="tag">{}</span>').format(word) for holds, word in found if holds
    )


def due(day: dt.date | None, before: str = "") -> Markup:
    """When a hit is due, late ones in red."""
    if day is None:
        return Markup("")
    late = (clock.today() - day).days
    if late > 0:
        return Markup('{}<b class="late">{}</b>').format(before, _("%(n)s days overdue", n=late))
    if late == 0:
        return Markup("{}<b>{}</b>").format(before, _("due today"))
    return Markup("{}<time>{}</time>").format(before, day.isoformat())


def owner(hit: Hit) -> str:
    """Whose the hit is."""
    return hit.owner.get_full_name() if hit.owner else _("nobody yet")


def source(hit: Hit) -> str:
    """Where the lead came from."""
    return hit.source


def amount(hit: Hit) -> str:
    """What the customer took, in yuan."""
    return "" if hit.amount is None else _("%(n)s yuan", n=f"{hit.amount:,.2f}")


def step(event: HitEvent) -> str:
    """What was done."""
    return labels.word(STEP, event.kind)


def event(kept: HitEvent) -> dict[str, Any]:
    """A step as the history shows it."""
    return {
        "kind": kept.kind,
        "text": step(kept),
        "status": formats.tag(labels.HIT_STATUS, "hit")(kept.to_status),
        # 营销已转化 says the step and the status alike: once is enough.
        "moved": kept.from_status != kept.to_status and kept.kind != "convert",
        "person": _("the system") if kept.person == work.SYSTEM else kept.person,
        "owner": kept.owner if kept.kind == "assign" else "",
        "note": _note(kept),
        "next_on": kept.next_on if kept.kind in ("follow_up", "claim", "assign") else None,
        "at": formats.when(kept.at),
    }


def contact(row: Outreach) -> dict[str, Any]:
    """A contact by way of the product, or why there was none, as the history shows it."""
    why = labels.word(REASONS, row.reason) if row.reason else ""
    return {
        "kind": "contact",
        "text": labels.word(labels.OUTREACH_CHANNEL, row.channel),
        "status": formats.contact_tag(row.channel, row.status),
        "moved": True,
        "person": row.batch.created_by,
        "note": " · ".join(map(str, filter(None, (row.version, why, row.note)))),
        "at": formats.when(row.sent_at or row.at),
    }


def history(steps: list[HitEvent], contacts: list[Outreach]) -> list[dict[str, Any]]:
    """Steps and contacts of a hit together, the newest first."""
    told = [(each.at, each.id, event(each)) for each in steps]
    told += [(row.sent_at or row.at, 0, contact(row)) for row in contacts]
    return [said for _at, _id, said in sorted(told, key=lambda each: each[:2], reverse=True)]


def _note(kept: HitEvent) -> str:
    """The note; what the product wrote down of a contact is the code of its outcome."""
    return labels.word(labels.OUTREACH_STATUS, kept.note) if kept.person == work.SYSTEM else kept.note
