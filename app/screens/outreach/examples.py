"""Example customers of a selection, for the preview of a text: their masked values, and who is held back."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask_babel import gettext as _
from sqlalchemy import Select, func, select

from app import labels
from app.access.scope import hits_visible_to, visible_to
from app.console.access import may
from app.extensions import db
from app.facts import catalogue
from app.hits.owner import OPEN
from app.lib import clock
from app.lib.settings import current_settings
from app.models import Customer, CustomerState, Hit
from app.outreach import cost, own_phone, settings, templates, text_facts, why
from app.outreach.compliance import REASONS
from app.screens.outreach.words import word
from app.selection import Selection

#: customers of a selection among which one can go
MOST = 200


def of_ids(ids: list[int]) -> Select[Any]:
    """Return a query of hits with these ids that the user may see."""
    return select(Hit).where(Hit.id.in_(ids), hits_visible_to(g.user)).order_by(Hit.id)


def of_selection(rows: Selection) -> Select[Any]:
    """Return a query of the selected hits, or of one hit of each selected customer. Raises DomainError."""
    if rows.model is Hit:
        return select(Hit).where(hits_visible_to(g.user), *rows.criteria()).order_by(Hit.id)
    chosen = select(Customer.hit_id).where(visible_to(g.user, Customer), *rows.criteria())
    return select(Hit).where(Hit.id.in_(chosen)).order_by(Hit.id)


def anybody() -> Select[Any]:
    """Return a query of a hit of each customer who can be worked and whom the user may see."""
    open_ones = select(Customer.hit_id).where(
        visible_to(g.user, Customer), Customer.state == CustomerState.OPEN
    )
    return select(Hit).where(Hit.id.in_(open_ones), Hit.status.in_(OPEN)).order_by(Hit.id.desc())


def answer(hits: Select[Any], channel: str) -> dict[str, Any]:
    """Return the example that the request asks for by its number ``n``, from 1, as JSON."""
    first = hits.with_only_columns(Hit.id).limit(MOST).subquery()
    total = db.session.scalar(select(func.count()).select_from(first)) or 0
    number = min(max(request.args.get("n", 1, type=int), 1), max(total, 1))
    hit = db.session.scalar(hits.offset(number - 1).limit(1)) if total else None
    if hit is None:
        return {
            "number": 0,
            "total": 0,
            "who": _("No example: nobody is selected."),
            "held": "",
            "values": {},
        }
    values = values_of(hit)
    return {
        "number": number,
        "total": total,
        "hit": hit.id,
        "who": _("Example: %(to)s (masked).", to=f"{hit.lead.lead_no} {hit.lead.phone_masked}"),
        "held": _held(hit, channel),
        "values": values,
    }


def values_of(hit: Hit) -> dict[str, str]:
    """Return the values of all variables for the customer of a hit, masked, but of unknown facts."""
    day = clock.today()
    named = [f"{{{text_facts.PREFIX}{code}}}" for code in text_facts.usable(catalogue.definitions().values())]
    told = text_facts.tell(named, [hit.lead_id], day)
    return {**templates.values_of(hit.lead, day, masked=True), **told.get(hit.lead_id, {})}


def _held(hit: Hit, channel: str) -> str:
    """Return why the customer would be held back now; contact hours don't count, as batches wait for them."""
    verdict = next(each for each in why.of_hit_now(hit, g.user) if each.channel == channel)
    held = [labels.word(REASONS, code) for code in verdict.held if code != "hours"]
    return _("Would be held back: %(reasons)s", reasons=labels.enumerated(held)) if held else ""


def preview(channel: str, example_url: str, sources: list[str], **more: Any) -> dict[str, Any]:
    """Return what the preview card needs. ``sources`` are the controls whose texts it shows.

    ``{channel}`` in the address stands for the channel that the form chooses.
    """
    rules = settings.current()
    known = templates.variables(catalogue.definitions().values())
    return {
        "channel": channel,
        "title": word(channel, "text"),
        "example_url": example_url,
        "data": {
            "channel": channel,
            "sources": sources,
            "variables": {name: str(text) for name, text in known.items()},
            "opt_out": rules.opt_out_sentence,
            "prices": {each: float(cost.price(rules, each)) for each in templates.CHANNELS},
            "bodies": {},
            "words": _words(),
            **more,
        },
        "phone": g.user.phone_masked,
        "may_test": may("can_test_sms", "OutreachTemplateView"),
        "left": max(0, current_settings().test_sms_per_hour - own_phone.sent_within_an_hour(g.user)),
    }


def _words() -> dict[str, str]:
    return {
        "length": _(
            "%(chars)s characters, %(segments)s SMS (%(alphabet)s)",
            chars="{chars}",
            segments="{segments}",
            alphabet="{alphabet}",
        ),
        "cost": _("%(yuan)s a customer", yuan="{yuan}"),
        "spoken": _(
            "%(chars)s characters, about %(seconds)s seconds read out", chars="{chars}", seconds="{seconds}"
        ),
        "place": "{number} / {total}",
        "unknown": _("Not known of this customer, who would get no message: %(facts)s", facts="{facts}"),
        "empty": _("Write a text, and see here what a customer gets."),
    }


def bodies(channel: str) -> dict[str, str]:
    """Return the newest texts of a channel's usable templates, by the id of the template."""
    return {str(each.id): each.versions[0].body for each in templates.usable(channel) if each.versions}
