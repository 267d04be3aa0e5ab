"""Slow reference counts of the funnel and the comparison, row by row in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Delivery, Hit, HitEvent, Outcome, Outreach, PushHit
from tests.effect.bank import ZONE

STAGES = ("hit", "pushed", "contacted", "answered", "converted")
REACTED = ("answered", "refused", "interested", "opt_out", "converted")


def facts(session: Session) -> list[dict[str, Any]]:
    """Return the facts about each live hit."""
    session.expire_all()
    return [_fact(session, hit) for hit in session.scalars(select(Hit).order_by(Hit.id)) if _live(hit)]


def _live(hit: Hit) -> bool:
    return hit.lead.deleted_at is None


def _fact(session: Session, hit: Hit) -> dict[str, Any]:
    contacts = list(session.scalars(select(Outreach).where(Outreach.hit_id == hit.id)))
    gone = [each for each in contacts if each.sent_at is not None or each.cost is not None]
    good = [each for each in gone if each.sent_at is not None and each.status != "failed"]
    events = session.scalars(select(HitEvent).where(HitEvent.hit_id == hit.id))
    by_hand = [each for each in events if each.person != "system" and each.kind in ("start", "follow_up")]
    touches = [(each.sent_at, each.channel, each.id, each.version_id) for each in good]
    touches += [(each.at, "hand", each.id, None) for each in by_hand]
    first = min(touches, key=lambda each: each[:3]) if touches else (None, None, None, None)
    hour = first[0].astimezone(ZONE).hour if first[0] else None
    bands = (0, 9, 12, 14, 18, 20)
    reach = 0
    if _pushed(session, hit):
        reach = 1
    if touches:
        reach = 2
    if any(each.status in REACTED for each in good):
        reach = 3
    claimed = hit.status == "converted"
    if claimed:
        reach = 3
    told = _told(session)
    return {
        "hit": hit,
        "reach": reach,
        "converted": _bought(told, hit) if told else claimed,
        "claimed": claimed,
        "confirmed": claimed and (_bought(told, hit) or not told),
        "sms": sum(each.channel == "sms" for each in gone),
        "calls": sum(each.channel == "call" for each in gone),
        "cost": sum((each.cost for each in gone if each.cost), Decimal(0)),
        "version": str(hit.version_id),
        "grade": hit.grade,
        "source": hit.lead.source or "none",
        "channel": first[1] or "none",
        "template": str(first[3]) if first[3] else "none",
        "hour": "none" if hour is None else str(max(band for band in bands if band <= hour)),
    }


def _told(session: Session) -> list[Outcome]:
    return list(session.scalars(select(Outcome)))


def _bought(told: list[Outcome], hit: Hit) -> bool:
    return any(
        each.lead_id == hit.lead_id
        and hit.hit_date <= each.on_date <= hit.hit_date + dt.timedelta(days=30)
        and (not hit.version.products or each.product.code in hit.version.products)
        for each in told
    )


def _pushed(session: Session, hit: Hit) -> bool:
    for row in session.scalars(select(PushHit).where(PushHit.hit_id == hit.id)):
        for each in session.scalars(select(Delivery).where(Delivery.push_id == row.push_id)):
            if each.status == "sent" and (each.first_hit or 0) <= hit.id <= (each.last_hit or 0):
                return True
    return False


def funnel(rows: list[dict[str, Any]]) -> list[Any]:
    """Return the numbers that reached each stage, then messages, calls and cost."""
    rows = [row for row in rows if not row["hit"].holdout]
    reached = [sum(row["reach"] >= stage for row in rows) for stage in range(len(STAGES) - 1)]
    summed = ("converted", "sms", "calls", "cost", "claimed", "confirmed")
    return [*reached, *(sum((row[name] for row in rows), 0) for name in summed)]


def comparison(
    session: Session, chosen: Callable[[dict[str, Any]], bool]
) -> dict[tuple[int, bool], tuple[int, int]]:
    """Return conversions and people by version and whether held out."""
    rows = facts(session)
    dates: dict[int, list[dt.date]] = {}
    for row in rows:
        if row["hit"].status == "converted":
            day = row["hit"].converted_at.astimezone(ZONE).date()
            dates.setdefault(row["hit"].lead_id, []).append(day)
    found: dict[tuple[int, bool], tuple[int, int]] = {}
    seen: set[tuple[int, int]] = set()
    for row in sorted(filter(chosen, rows), key=lambda row: (row["hit"].hit_date, row["hit"].id)):
        hit = row["hit"]
        if (hit.rule_id, hit.lead_id) in seen:
            continue
        seen.add((hit.rule_id, hit.lead_id))
        if any(
            other["hit"].rule_id == hit.rule_id
            and other["hit"].lead_id == hit.lead_id
            and other["hit"].hit_date < hit.hit_date
            for other in rows
        ):
            continue
        won, people = found.get((hit.version_id, hit.holdout), (0, 0))
        claimed = any(day >= hit.hit_date for day in dates.get(hit.lead_id, []))
        won += row["converted"] if _told(session) else claimed
        found[hit.version_id, hit.holdout] = won, people + 1
    return found
