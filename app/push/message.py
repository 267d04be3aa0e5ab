"""Messages of deliveries, built from the hits at the moment of sending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import and_, select
from sqlalchemy.orm import contains_eager, joinedload

from app.channels.base import HitLine, Message
from app.lib import clock
from app.models import Delivery, Hit, Lead, PushHit
from app.rules.describe import reason

#: The language of messages to systems. A channel for people may use another one.
LANGUAGE = "zh"
TEST_HITS = 3


def messages_of(session: Any, deliveries: Sequence[Delivery]) -> dict[int, Message]:
    """Return the messages of deliveries by id, leaving out withdrawn hits and those of deleted leads."""
    hits = _hits(session, [each.id for each in deliveries if not each.push.is_test])
    with force_locale(LANGUAGE):
        return {each.id: _message(each, hits[each.id]) for each in deliveries}


def _message(delivery: Delivery, hits: list[Hit]) -> Message:
    push = delivery.push
    schedule = push.schedule
    return Message(
        id=delivery.uid,
        push_id=push.id,
        schedule=schedule.code if schedule else "TEST",
        schedule_name=schedule.name if schedule else _("Test"),
        slot=push.slot,
        hits=sample() if push.is_test else [_line(hit) for hit in hits],
        part=delivery.part,
        parts=delivery.parts,
        total=push.hits,
        test=push.is_test,
    )


def _hits(session: Any, ids: list[int]) -> dict[int, list[Hit]]:
    of_part = PushHit.hit_id.between(Delivery.first_hit, Delivery.last_hit)
    query = (
        select(Delivery.id, Hit)
        .join(PushHit, and_(PushHit.push_id == Delivery.push_id, of_part))
        .join(Hit, Hit.id == PushHit.hit_id)
        .join(Lead, Lead.id == Hit.lead_id)
        .where(Delivery.id.in_(ids), Hit.live)
        .options(
            joinedload(Hit.rule),
            joinedload(Hit.version),
            contains_eager(Hit.lead).joinedload(Lead.branch),
        )
        .order_by(Delivery.id, Hit.id)
    )
    hits: dict[int, list[Hit]] = defaultdict(list)
    for delivery_id, hit in session.execute(query) if ids else ():
        hits[delivery_id].append(hit)
    return hits


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
    """Return made-up hits for a test push, which resemble no real lead."""
    today = clock.today().isoformat()
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
            reason=_("This is a test. No lead was affected."),
            opted_out=False,
        )
        for number in range(1, TEST_HITS + 1)
    ]
