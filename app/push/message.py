"""What a delivery says, made from the hits at the moment of sending."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.channels.base import HitLine, Message
from app.models import Delivery, Hit, Lead, PushHit
from app.rules.describe import reason

#: The language of what systems get; a channel for people may have one of its own.
LANGUAGE = "zh"
TEST_HITS = 3


def message_of(session: Any, delivery: Delivery) -> Message:
    """The message of a delivery with the hits whose leads are still there."""
    push = delivery.push
    schedule = push.schedule
    with force_locale(LANGUAGE):
        hits = sample() if push.is_test else [_line(hit) for hit in _hits(session, delivery)]
        return Message(
            id=delivery.uid,
            push_id=push.id,
            schedule=schedule.code if schedule else "TEST",
            schedule_name=schedule.name if schedule else _("Test"),
            slot=push.slot,
            hits=hits,
            part=delivery.part,
            parts=delivery.parts,
            total=push.hits,
            test=push.is_test,
        )


def _hits(session: Any, delivery: Delivery) -> list[Hit]:
    query = (
        select(Hit)
        .join(PushHit, PushHit.hit_id == Hit.id)
        .join(Lead, Lead.id == Hit.lead_id)
        .where(
            PushHit.push_id == delivery.push_id,
            PushHit.hit_id.between(delivery.first_hit, delivery.last_hit),
            Lead.deleted_at.is_(None),
        )
        .options(
            joinedload(Hit.rule),
            joinedload(Hit.version),
            joinedload(Hit.lead).joinedload(Lead.branch),
        )
        .order_by(Hit.id)
    )
    return list(session.scalars(query))


def _line(hit: Hit) -> HitLine:
    lead = hit.lead
    return HitLine(
        id=hit.id,
        lead_id=lead.id,
        lead_no=lead.lead_no,
        phone=lead.phone_masked,
        branch=lead.branch.code if lead.branch else "",
        rule_code=hit.rule.code,
        rule_name=hit.rule.name,
        rule_version=hit.version.number,
        hit_date=hit.hit_date.isoformat(),
        grade=hit.grade,
        score=round(hit.score, 4),
        status=hit.status,
        reason=reason(hit),
        opted_out=hit.opted_out or lead.opted_out,
    )


def sample() -> list[HitLine]:
    """Made-up hits for a test: no lead of the list looks like them."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return [
        HitLine(
            id=0,
            lead_id=0,
            lead_no=f"TEST-{number:03d}",
            phone="138****0000",
            branch="TEST",
            rule_code="TEST",
            rule_name=_("Sample rule"),
            rule_version=1,
            hit_date=today,
            grade="ABC"[number - 1],
            score=round(9.0 / number, 4),
            status="waiting",
            reason=_("This is a test. No lead was touched."),
            opted_out=False,
        )
        for number in range(1, TEST_HITS + 1)
    ]
