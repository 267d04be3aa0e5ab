"""What the demo bank's marketers have done with their hits, told with the times at which they did it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, insert, select, update

from app.extensions import db
from app.models import Branch, CloseReason, Hit, HitEvent, HitStatus, Lead, Staff

#: Share of the hits that staff have begun to work on, by age in days.
WORKED_AFTER = (0.05, 0.3, 0.5, 0.65, 0.75)
#: What becomes of those: share converted by grade, share without interest.
CONVERTED = {"A": 0.3, "B": 0.22, "C": 0.14, "D": 0.08}
FAILED = 0.3
#: Share of the hits at work that nobody has come back to in time.
FORGOTTEN = 0.1
_TALKS = (
    "已电话沟通，客户对利率有兴趣，约定再联系",
    "客户正在开会，请改日致电",
    "已介绍产品，客户需与家人商量",
    "首次未接通，已短信说明来意",
    "客户询问额度与还款方式，已发送资料",
)


@dataclass
class Story:
    """The steps of one hit and what they leave on it."""

    hit_id: int
    owner: Staff
    left: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    status: str = HitStatus.WAITING

    def tell(self, kind: str, at: dt.datetime, status: str, **more: Any) -> None:
        """One more step."""
        step = {"note": "", "next_on": None} | more
        who = {"owner": self.owner.username, "person": self.owner.username}
        self.events.append(
            {"hit_id": self.hit_id, "kind": kind, "from_status": self.status, "to_status": status, "at": at}
            | who
            | step
        )
        self.status = status


def work_on_hits(yesterday: dt.date, zone: ZoneInfo, random: Random) -> int:
    """Tell a story of every hit that was worked on: the older the likelier; the number. Commits."""
    # The runs of the story's days happen in one night; told as it would have been, each had its morning.
    db.session.execute(update(Hit).values(made_on=Hit.hit_date + 1))
    desks = _desks()
    reasons = list(db.session.scalars(select(CloseReason).order_by(CloseReason.position)))
    query = (
        select(Hit, Branch.path)
        .join(Lead, Lead.id == Hit.lead_id)
        .join(Branch, Branch.id == Lead.branch_id)
        .order_by(Hit.hit_date, Hit.rule_id, Hit.lead_id)
    )
    stories = []
    for hit, path in db.session.execute(query).tuples():
        age = (yesterday - hit.hit_date).days
        if random.random() >= WORKED_AFTER[min(age, len(WORKED_AFTER) - 1)] or hit.opted_out:
            continue
        owner = next((desks[key] for key in _upwards(path) if key in desks), None)
        if owner is not None:
            stories.append(_story(hit, owner, yesterday, zone, reasons, random))
    _write(stories)
    return len(stories)


def _desks() -> dict[str, Staff]:
    query = select(Branch.path, Staff).join(Branch, Branch.id == Staff.branch_id)
    marketers = query.where(Staff.roles.any(name="Marketer"))
    return dict(db.session.execute(marketers).tuples().all())


def _upwards(path: str) -> Iterator[str]:
    keys = path.strip("/").split("/")
    for depth in range(len(keys), 0, -1):
        yield "/" + "/".join(keys[:depth]) + "/"


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
        told.tell("follow_up", end, HitStatus.IN_PROGRESS, note=random.choice(_TALKS), next_on=next_on)
        told.left |= {"next_on": next_on}
    return told


def _write(stories: list[Story]) -> None:
    if not stories:
        return
    blank = dict.fromkeys(("converted_at", "amount", "close_reason_id", "next_on"))
    rows = [blank | story.left | {"key": story.hit_id, "status": story.status} for story in stories]
    table = Hit.__table__
    db.session.connection().execute(
        update(table)
        .where(table.c.id == bindparam("key"))
        .values({name: bindparam(name) for name in rows[0] if name != "key"}),
        rows,
    )
    db.session.execute(insert(HitEvent), [event for story in stories for event in story.events])
    db.session.commit()
