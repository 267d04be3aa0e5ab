"""What steps of journeys do in the bank, beside contacts: tasks, tags, customers handed over, messages."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import func, or_, select

from app.extensions import db
from app.hits import assignment, owner
from app.journeys.changes import Standing
from app.journeys.definition import Hand, TagStep, Task, Webhook
from app.leads import tags
from app.lib import clock
from app.models import JourneyVersion, Lead, Tag
from app.push import outbox


def act(step: Any, version: JourneyVersion, rows: Sequence[Standing], now: dt.datetime) -> None:
    """Do what a step says for customers who came to it, once and in the caller's transaction."""
    if not rows:
        return
    leads = [row.lead_id for row in rows]
    match step:
        case Task(title=title, due_days=days):
            for day, some in _by_day(rows):
                owner.set_task(some, title, day + dt.timedelta(days=days))
        case TagStep():
            _tag(step, leads)
        case Hand(to="owner"):
            owner.remind(leads)
            assignment.assign(leads, clock.today(now))
        case Hand():
            owner.release(leads)
        case Webhook(target=code):
            outbox.make_of_journey(db.session(), version, code, [row.id for row in rows], now)


def _by_day(rows: Sequence[Standing]) -> Iterator[tuple[dt.date, list[int]]]:
    days: dict[dt.date, list[int]] = defaultdict(list)
    for row in rows:
        days[clock.today(dt.datetime.fromtimestamp(row.due_at, dt.UTC))].append(row.lead_id)
    yield from sorted(days.items())


def _tag(step: TagStep, ids: list[int]) -> None:
    """Add and remove tags, named by code or name."""
    leads = db.session.scalars(select(Lead).where(Lead.id == func.any(ids))).all()
    if not leads:
        return
    for names, change in ((step.add, tags.add_tag), (step.remove, tags.remove_tag)):
        for tag in db.session.scalars(select(Tag).where(or_(Tag.code.in_(names), Tag.name.in_(names)))):
            change(db.session(), leads, tag)
