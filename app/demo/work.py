"""What the demo bank's marketers have done with their hits, told with the times at which they did it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, insert, or_, select, update

from app.extensions import db
from app.hits.steps import SYSTEM
from app.models import Branch, CloseReason, Hit, HitEvent, HitStatus, Staff

#: Share of the hits that staff have begun to work on, by age in days.
WORKED_AFTER = (0.05, 0.3, 0.5, 0.65, 0.75)
#: What becomes of those: share converted by grade, share without interest.
CONVERTED = {"A": 0.3, "B": 0.22, "C": 0.14, "D": 0.08}
FAILED = 0.3
#: Share of the hits at work that nobody has come back to in time.
FORGOTTEN = 0.1
#: Share of those nobody contacts who take an offer of their own accord.
UNPROMPTED = 0.08
_TALKS = (
    "已电话沟通，客户对利率有兴趣，约定再联系",
    "客户正在开会，请改日致电",
    "已介绍产品，客户需与家人商量",
    "首次未接通，已短信说明来意",
    "客户询问额度与还款方式，已发送资料",
)


@dataclass
class Story:
    """The steps of one hit and what they leave on it; the product itself takes those of nobody."""

    hit_id: int
    owner: Staff | None
    left: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    status: str = HitStatus.WAITING

    def tell(self, kind: str, at: dt.datetime, status: str, **more: Any) -> None:
        """One more step, by its owner unless ``person`` says who took it."""
        name = self.owner.username if self.owner else None
        who = {"owner": name, "person": name or SYSTEM}
        step = {"note": "", "next_on": None} | more
        self.events.append(
            {"hit_id": self.hit_id, "kind": kind, "from_status": self.status, "to_status": status, "at": at}
            | who
            | step
        )
        self.status = status


class Desks:
    """Who works the hits of which branch."""

    def __init__(self) -> None:
        query = select(Branch.path, Staff).join(Branch, Branch.id == Staff.branch_id)
        marketers = query.where(Staff.roles.any(name="Marketer"))
        self._desks = dict(db.session.execute(marketers).tuples().all())
        self._paths = dict(db.session.execute(select(Branch.id, Branch.path)).tuples().all())

    def of(self, hit: Hit) -> Staff | None:
        """The marketer of the hit's branch or of the nearest above it."""
        path = self._paths.get(hit.branch_id, "/")
        return next((self._desks[key] for key in _upwards(path) if key in self._desks), None)


def _upwards(path: str) -> Iterator[str]:
    keys = path.strip("/").split("/")
    for depth in range(len(keys), 0, -1):
        yield "/" + "/".join(keys[:depth]) + "/"


def comparable() -> ColumnElement[bool]:
    """Criterion on Hit: it is of somebody whom no rule holds out, or the very one held out.

    The demo bank leaves such people alone altogether, so that the comparison shows something in a week.
    """
    held_out = select(Hit.lead_id).where(Hit.holdout)
    return or_(Hit.holdout, Hit.lead_id.not_in(held_out))


def mornings() -> None:
    """Let every hit have appeared on the morning after its date: the story's runs happen in one night.

    Commits.
    """
    db.session.execute(update(Hit).values(made_on=Hit.hit_date + 1))
    db.session.commit()


def work_on_hits(yesterday: dt.date, zone: ZoneInfo, random: Random) -> int:
    """Tell a story of every waiting hit that was worked on: the older the likelier; the number. Commits."""
    desks = Desks()
    reasons = list(db.session.scalars(select(CloseReason).order_by(CloseReason.position)))
    waiting = Hit.status == HitStatus.WAITING
    query = select(Hit).where(waiting, comparable()).order_by(Hit.hit_date, Hit.rule_id, Hit.lead_id)
    stories = []
    for hit in db.session.scalars(query):
        age, chance = (yesterday - hit.hit_date).days, random.random()
        if hit.holdout:
            if age and chance < UNPROMPTED:
                stories.append(_unprompted(hit, zone, random))
        elif chance < WORKED_AFTER[min(age, len(WORKED_AFTER) - 1)] and not hit.opted_out:
            owner = desks.of(hit)
            if owner is not None:
                stories.append(_story(hit, owner, yesterday, zone, reasons, random))
    write(stories)
    return len(stories)


def _unprompted(hit: Hit, zone: ZoneInfo, random: Random) -> Story:
    """A customer of the holdout group takes an offer at the counter."""
    at = dt.datetime.combine(hit.hit_date + dt.timedelta(days=1), dt.time(10 + random.randrange(6)), zone)
    told = Story(hit.id, None, {"converted_at": at, "amount": random.randrange(2, 60) * 5000})
    told.tell("convert", at, HitStatus.CONVERTED, note="客户自行到网点办理")
    return told


def _story(
    hit: Hit, owner: Staff, yesterday: dt.date, zone: ZoneInfo, reasons: list[CloseReason], random: Random
) -> Story:
    first = min(hit.hit_date + dt.timedelta(days=1 + int(random.random() * 2)), yesterday)
    at = dt.datetime.combine(first, dt.time(9 + random.randrange(8), random.randrange(60)), zone)
    told = Story(hit.id, owner, {"owner_id": owner.id, "claimed_at": at})
    told.tell("claim", at, HitStatus.WAITING, next_on=first)
    told.tell("start", at + dt.timedelta(minutes=2), HitStatus.IN_PROGRESS, next_on=first)
    outcome, end = random.random(), at + dt.timedelta(minutes=20)
    if outcome < CONVERTED[hit.grade]:
        told.tell("convert", end, HitStatus.CONVERTED)
        told.left |= {"converted_at": end, "amount": random.randrange(2, 60) * 5000}
    elif outcome < CONVERTED[hit.grade] + FAILED and reasons:
        reason = random.choice(reasons)
        told.tell("close", end, HitStatus.FAILED, note=reason.name)
        told.left |= {"close_reason_id": reason.id}
    else:
        late = random.random() < FORGOTTEN
        next_on = yesterday + dt.timedelta(days=-random.randrange(0, 6) if late else random.randrange(1, 6))
        next_on = max(next_on, first)
        told.tell("follow_up", end, HitStatus.IN_PROGRESS, note=random.choice(_TALKS), next_on=next_on)
        told.left |= {"next_on": next_on}
    return told


def write(stories: list[Story]) -> None:
    """Keep what stories tell and leave. Commits."""
    if not stories:
        return
    table = Hit.__table__
    rows = [{"key": story.hit_id, "status": story.status} | story.left for story in stories]
    for names in {tuple(sorted(row)) for row in rows}:
        same = [row for row in rows if tuple(sorted(row)) == names]
        values: dict[str, Any] = {name: bindparam(name) for name in names if name != "key"}
        changed = update(table).where(table.c.id == bindparam("key")).values(values)
        db.session.connection().execute(changed, same)
    events = [event for story in stories for event in story.events]
    if events:
        db.session.execute(insert(HitEvent), events)
    db.session.commit()
    db.session.expire_all()
