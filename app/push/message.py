"""Messages of deliveries, built from the hits at the moment of sending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import and_, func, select
from sqlalchemy.orm import contains_eager, joinedload

from app.channels.base import CustomerLine, HitLine, JourneyPlace, Message
from app.lib import clock
from app.models import Delivery, Hit, JourneyEnrolment, JourneyStep, Lead, PushHit
from app.rules.describe import reason

#: The language of messages to systems. A channel for people may use another one.
LANGUAGE = "zh"
TEST_HITS = 3


def messages_of(session: Any, deliveries: Sequence[Delivery]) -> dict[int, Message]:
    """Return the messages of deliveries by id, leaving out withdrawn hits and deleted leads."""
    journeys = [each for each in deliveries if each.push.journey_version_id is not None]
    hits = _hits(session, [each.id for each in deliveries if not each.push.is_test])
    steps = _steps(session, [each.id for each in journeys])
    with force_locale(LANGUAGE):
        return {
            each.id: _of_journey(each, steps[each.id]) if each in journeys else _message(each, hits[each.id])
            for each in deliveries
        }


def _of_journey(delivery: Delivery, rows: list[tuple[JourneyStep, JourneyEnrolment, Lead]]) -> Message:
    push = delivery.push
    version: Any = push.journey_version
    step = rows[0][0].step if rows else ""
    return Message(
        id=delivery.uid,
        push_id=push.id,
        schedule="",
        schedule_name="",
        slot=push.slot,
        hits=(),
        part=delivery.part,
        parts=delivery.parts,
        total=push.hits,
        journey=JourneyPlace(version.journey.code, version.spec["name"], version.number, step),
        customers=[_customer(*each) for each in rows],
    )


def _steps(session: Any, ids: list[int]) -> dict[int, list[tuple[JourneyStep, JourneyEnrolment, Lead]]]:
    query = (
        select(JourneyStep, JourneyEnrolment, Lead)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .join(Lead, Lead.id == JourneyEnrolment.lead_id)
        .where(JourneyStep.delivery_id == func.any(ids), Lead.deleted_at.is_(None))
        .options(joinedload(Lead.branch))
        .order_by(JourneyStep.id)
    )
    found = defaultdict(list)
    for step, enrolment, lead in session.execute(query) if ids else ():
        found[step.delivery_id].append((step, enrolment, lead))
    return found


def _customer(step: JourneyStep, enrolment: JourneyEnrolment, lead: Lead) -> CustomerLine:
    return CustomerLine(
        lead_no=lead.lead_no,
        phone=lead.phone_masked,
        branch=lead.branch.code if lead.branch else "",
        opted_out=lead.opted_out,
        at=step.due_at,
        entered_at=enrolment.entered_at,
        hit=enrolment.hit_id,
    )


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
