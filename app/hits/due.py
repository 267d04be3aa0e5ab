"""What a person has to come back to, what is new for them, and what nobody came back to."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text

from app.access.scope import hits_visible_to
from app.extensions import db
from app.hits.setting import work_setting
from app.hits.sql import SQL
from app.hits.work import OPEN, SYSTEM, today
from app.models import Hit, HitStatus, Staff

ESCALATION_LOCK = 7021
#: days ahead that count as soon
SOON_DAYS = 7


def mine(person: Staff) -> ColumnElement[bool]:
    """Criterion on Hit: the person's open hits."""
    return and_(Hit.owner_id == person.id, Hit.status.in_(OPEN))


def overdue(day: dt.date) -> ColumnElement[bool]:
    """Criterion on Hit: open, somebody's, and its next date lies before the day."""
    return and_(Hit.owner_id.is_not(None), Hit.status.in_(OPEN), Hit.next_on < day)


def unclaimed() -> ColumnElement[bool]:
    """Criterion on Hit: waiting and nobody's, and its lead may be contacted."""
    return and_(
        Hit.owner_id.is_(None),
        Hit.status == HitStatus.WAITING,
        Hit.opted_out.is_(False),
        Hit.holdout.is_(False),
    )


def escalated() -> ColumnElement[bool]:
    """Criterion on Hit: shown to the managers because nobody came back to it."""
    return and_(Hit.escalated_at.is_not(None), Hit.status.in_(OPEN))


def due(person: Staff, day: dt.date) -> Select[tuple[Hit]]:
    """The person's open hits whose next date is the day or lies before it, the longest waiting first."""
    return (
        select(Hit)
        .where(mine(person), Hit.next_on <= day, hits_visible_to(person))
        .order_by(Hit.next_on, Hit.grade, Hit.id)
    )


def new_since(person: Staff, moment: dt.datetime) -> int:
    """How many hits that the person sees and could claim, or was given by somebody, came after the moment."""
    came = or_(
        and_(Hit.created_at > moment, unclaimed()),
        and_(mine(person), Hit.claimed_at > moment, Hit.status == HitStatus.WAITING),
    )
    query = select(func.count()).select_from(Hit).where(came, hits_visible_to(person))
    return db.session.scalar(query) or 0


def escalate(now: dt.datetime) -> int:
    """Mark hits that nobody came back to within the days that are set; how many. Commits.

    What the ticker calls; a second one at the same time passes.
    """
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(ESCALATION_LOCK))):
        db.session.rollback()
        return 0
    last = today(now) - dt.timedelta(days=work_setting().overdue_days)
    values = {"now": now, "last": last, "system": SYSTEM}
    count = db.session.execute(text(SQL["escalate"]), values).rowcount  # type: ignore[attr-defined]
    db.session.commit()
    return int(count)
