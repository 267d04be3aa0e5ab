"""The time line of the work on a customer: hits with their reasons, the work on them, contacts."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager, joinedload

from app import labels
from app.console import formats
from app.console.access import may
from app.extensions import db
from app.hits import owner, steps
from app.models import (
    Hit,
    HitEvent,
    Lead,
    LogCorrection,
    Outreach,
    OutreachBatch,
    OutreachEvent,
    OutreachStatus,
    OutreachTemplateVersion,
)
from app.outreach import results, sandbox
from app.outreach.compliance import REASONS
from app.rules import describe
from app.screens.hits import labels as hit_labels
from app.screens.timeline.entries import Entry, Span, newest, newest_by_date

_TONE = {"converted": "good", "interested": "good", "opt_out": "bad", "failed": "bad", "held": "quiet"}


def hits(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield hits on their hit dates, known from the date on which they were made."""
    query = select(Hit).where(Hit.lead_id == lead.id).options(joinedload(Hit.rule), joinedload(Hit.version))
    query = query.options(joinedload(Hit.correction).joinedload(LogCorrection.file))
    if span.known_on is not None:
        query = query.where(Hit.made_on <= span.known_on)
    for (hit,) in newest_by_date(query, Hit.hit_date, span):
        yield _hit(hit, span)


def _hit(hit: Hit, span: Span) -> Entry:
    told = span.known_before is None or (hit.withdrawn_at and hit.withdrawn_at < span.known_before)
    withdrawn = hit_labels.withdrawn(hit) if told else ""
    lines = [
        (_("What the rule demands"), describe.version_sentence(hit.version)),
        (_("Score calculation"), describe.arithmetic(hit)),
        (_("First and last event"), describe.seen_at(hit)),
        (_("Institutions"), describe.institutions(hit)),
    ]
    return Entry(
        day=hit.hit_date,
        title=f"{hit.rule.name} v{hit.version.number}",
        tags=[formats.tag({}, "grade")(hit.grade), *_marks(hit, withdrawn)],
        said=describe.reason(hit),
        more=[line for line in lines if line[1]],
        url=url_for("HitView.show", pk=hit.id) if may("can_show", "HitView") else "",
        note=withdrawn or _("appeared on %(day)s", day=hit.made_on),
        place=2,
        tone="strong",
    )


def _marks(hit: Hit, withdrawn: str) -> list[Any]:
    held = [Markup('<span class="tag">{}</span>').format(_("Holdout group"))] if hit.holdout else []
    return held + ([hit_labels.status(hit)] if withdrawn else [])


def work(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield the steps in the work on the customer's hits."""
    query = (
        select(HitEvent, Hit)
        .join(Hit, Hit.id == HitEvent.hit_id)
        .where(steps.at_once(lead.id))
        .options(joinedload(Hit.rule))
    )
    rows = list(newest(query, HitEvent.at, span))
    hits = steps.hits_of(lead.id, [row.HitEvent for row in rows])
    for row in rows:
        yield _step(row.HitEvent, row.Hit, hits[row.HitEvent.id])


def _step(event: HitEvent, hit: Hit, hits: list[Hit]) -> Entry:
    shown = hit_labels.event(event)
    lines = [
        (_("Assignee"), shown["owner"]),
        (_("Next contact"), shown["next_on"]),
    ]
    return Entry(
        day=labels.local(event.at).date(),
        at=event.at,
        title=shown["text"],
        tags=[shown["status"]] if shown["moved"] else [],
        said=shown["note"],
        lines=[line for line in lines if line[1]],
        url=url_for("HitView.show", pk=hit.id) if may("can_show", "HitView") else "",
        by=event.person,
        note=hit_labels.names_of(hits),
        tone="good" if event.to_status == "converted" else "",
    )


def contacts(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield contacts, made or held back, with their answers as far as they were known."""
    moment = func.coalesce(Outreach.sent_at, OutreachBatch.confirmed_at)
    query = (
        select(Outreach, moment.label("at"))
        .join(Outreach.batch)
        .where(Outreach.lead_id == lead.id, OutreachBatch.confirmed_at.is_not(None))
        .options(
            contains_eager(Outreach.batch),
            joinedload(Outreach.version).joinedload(OutreachTemplateVersion.template),
        )
    )
    rows = newest(query, moment, span)
    answers = _answers([row.Outreach.id for row in rows], span)
    for row in rows:
        yield _contact(row.Outreach, row.at, answers[row.Outreach.id], span)


def _answers(contacts_: list[int], span: Span) -> dict[int, list[OutreachEvent]]:
    query = select(OutreachEvent).where(OutreachEvent.outreach_id.in_(contacts_))
    if span.known_before is not None:
        query = query.where(OutreachEvent.received_at < span.known_before)
    by_contact: dict[int, list[OutreachEvent]] = defaultdict(list)
    for event in db.session.scalars(query.order_by(OutreachEvent.at, OutreachEvent.id)):
        by_contact[event.outreach_id].append(event)
    return by_contact


def _contact(row: Outreach, at: dt.datetime, answers: list[OutreachEvent], span: Span) -> Entry:
    status = _status(row, answers, span)
    words = labels.contact_words(row.channel)
    held = labels.word(REASONS, row.reason) if row.reason and status == row.status else ""
    # A note comes with the newest answer.
    note = row.note if span.known_on is None else None
    return Entry(
        day=labels.local(at).date(),
        at=at,
        title=labels.word(labels.OUTREACH_CHANNEL, row.channel),
        tags=[formats.contact_tag(row.channel, status)],
        said=" · ".join(map(str, filter(None, (row.version, held, note)))),
        lines=[(f"{labels.local(each.at):%Y-%m-%d %H:%M}", _answer(each, words)) for each in answers],
        url=url_for("OutreachView.show", pk=row.id) if may("can_show", "OutreachView") else "",
        by=row.batch.created_by,
        note=_("outreach batch %(batch)s", batch=str(row.batch))
        + (
            f" · {labels.word(labels.GATEWAY, row.batch.gateway)}"
            if row.batch.gateway == sandbox.NAME
            else ""
        ),
        tone=_TONE.get(status, ""),
    )


def _status(row: Outreach, answers: list[OutreachEvent], span: Span) -> str:
    """Return the status; at an earlier date it follows from what was known then."""
    if span.known_on is None:
        return row.status
    if row.sent_at is None:
        # When a contact was held back is not kept: only whether that is certain now.
        return row.status if row.status in (OutreachStatus.HELD, OutreachStatus.DROPPED) else "queued"
    return max((each.outcome for each in answers), key=results.RANK.__getitem__, default=OutreachStatus.SENT)


def _answer(event: OutreachEvent, words: dict[str, Any]) -> str:
    source = "" if event.source in (owner.SYSTEM, sandbox.NAME) else event.source
    return " · ".join(filter(None, (labels.word(words, event.outcome), event.note, source)))
