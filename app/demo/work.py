"""Past work of the demo bank's marketers on their hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, insert, or_, select, text, update

from app.extensions import db
from app.hits.owner import OPEN, SYSTEM
from app.models import Branch, CloseReason, Hit, HitEvent, HitStatus, Product, RuleVersion, Staff

#: share of the hits that have been worked on, by age in days
WORKED_AFTER = (0.05, 0.3, 0.5, 0.65, 0.75)
#: of those, the share converted by grade, and the share closed
CONVERTED = {"A": 0.3, "B": 0.22, "C": 0.14, "D": 0.08}
FAILED = 0.3
#: share of the hits in progress that are overdue
FORGOTTEN = 0.1
_TALKS = (
    "已电话沟通，客户对利率有兴趣，约定再联系",
    "客户正在开会，请改日致电",
    "已介绍产品，客户需与家人商量",
    "首次未接通，已短信说明来意",
    "客户询问额度与还款方式，已发送资料",
)


@dataclass
class Timeline:
    """The steps of a hit and the resulting column values. Without an owner, the product takes them."""

    hit_id: int
    owner: Staff | None
    left: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    status: str = HitStatus.WAITING

    def add(self, kind: str, at: dt.datetime, status: str, **more: Any) -> None:
        """Add a step by the owner, unless ``person`` says who took it."""
        name = self.owner.username if self.owner else None
        people = {"owner": name, "person": name or SYSTEM}
        step = {"note": "", "next_on": None} | more
        self.events.append(
            {"hit_id": self.hit_id, "kind": kind, "from_status": self.status, "to_status": status, "at": at}
            | people
            | step
        )
        self.status = status


class Marketers:
    """The marketers by branch."""

    def __init__(self) -> None:
        query = select(Branch.path, Staff).join(Branch, Branch.id == Staff.branch_id)
        marketers = query.where(Staff.roles.any(name="Marketer"))
        self._by_path = dict(db.session.execute(marketers).tuples().all())
        self._paths = dict(db.session.execute(select(Branch.id, Branch.path)).tuples().all())

    def of(self, hit: Hit) -> Staff | None:
        """Return the marketer of the hit's branch, or of the nearest branch above that has one."""
        path = self._paths.get(hit.branch_id, "/")
        return next((self._by_path[key] for key in _upwards(path) if key in self._by_path), None)


def _upwards(path: str) -> Iterator[str]:
    keys = path.strip("/").split("/")
    for depth in range(len(keys), 0, -1):
        yield "/" + "/".join(keys[:depth]) + "/"


def comparable() -> ColumnElement[bool]:
    """Return the criterion on Hit that excludes other hits of held-out people.

    The demo bank does not contact such people at all, so that a week is enough for a visible effect.
    """
    held_out = select(Hit.lead_id).where(Hit.holdout)
    return or_(Hit.holdout, Hit.lead_id.not_in(held_out))


def set_hit_mornings() -> None:
    """Backdate every hit to the morning after its date, because all runs happen at once, and commit."""
    db.session.execute(update(Hit).values(made_on=Hit.hit_date + 1))
    db.session.commit()


def work_on_hits(yesterday: dt.date, zone: ZoneInfo, random: Random) -> int:
    """Create the past work on waiting hits, more for older ones, and commit. Return the number of hits."""
    marketers = Marketers()
    reasons = list(db.session.scalars(select(CloseReason).order_by(CloseReason.position)))
    waiting = Hit.status == HitStatus.WAITING
    query = select(Hit).where(waiting, comparable(), Hit.holdout.is_(False))
    query = query.order_by(Hit.hit_date, Hit.rule_id, Hit.lead_id)
    timelines = []
    for hit in db.session.scalars(query):
        age, chance = (yesterday - hit.hit_date).days, random.random()
        if chance < WORKED_AFTER[min(age, len(WORKED_AFTER) - 1)] and not hit.opted_out:
            owner = marketers.of(hit)
            if owner is not None:
                timelines.append(_timeline(hit, owner, yesterday, zone, reasons, random))
    write(timelines)
    return len(timelines)


def _timeline(
    hit: Hit, owner: Staff, yesterday: dt.date, zone: ZoneInfo, reasons: list[CloseReason], random: Random
) -> Timeline:
    first = min(hit.hit_date + dt.timedelta(days=1 + int(random.random() * 2)), yesterday)
    at = dt.datetime.combine(first, dt.time(9 + random.randrange(8), random.randrange(60)), zone)
    timeline = Timeline(hit.id, owner, {"owner_id": owner.id, "claimed_at": at})
    timeline.add("claim", at, HitStatus.WAITING, next_on=first)
    timeline.add("start", at + dt.timedelta(minutes=2), HitStatus.IN_PROGRESS, next_on=first)
    outcome, end = random.random(), at + dt.timedelta(minutes=20)
    if outcome < CONVERTED[hit.grade]:
        timeline.add("convert", end, HitStatus.CONVERTED)
        timeline.left |= {"converted_at": end, "amount": random.randrange(2, 20) * 5000}
    elif outcome < CONVERTED[hit.grade] + FAILED and reasons:
        reason = random.choice(reasons)
        timeline.add("close", end, HitStatus.FAILED, note=reason.name)
        timeline.left |= {"close_reason_id": reason.id}
    else:
        late = random.random() < FORGOTTEN
        next_on = yesterday + dt.timedelta(days=-random.randrange(0, 6) if late else random.randrange(1, 6))
        next_on = max(next_on, first)
        timeline.add("follow_up", end, HitStatus.IN_PROGRESS, note=random.choice(_TALKS), next_on=next_on)
        timeline.left |= {"next_on": next_on}
    return timeline


def name_products() -> None:
    """Name the first product of its rule for each hit marked as converted, and commit."""
    first = select(Product.id).join(RuleVersion, Product.code == RuleVersion.products[1])
    own = first.where(RuleVersion.id == Hit.version_id).scalar_subquery()
    db.session.execute(update(Hit).where(Hit.status == HitStatus.CONVERTED).values(product_id=own))
    db.session.commit()


def write(timelines: list[Timeline]) -> None:
    """Store the timelines' steps and column values, and commit."""
    if not timelines:
        return
    table = Hit.__table__
    rows = [{"key": timeline.hit_id, "status": timeline.status} | timeline.left for timeline in timelines]
    for names in {tuple(sorted(row)) for row in rows}:
        same = [row for row in rows if tuple(sorted(row)) == names]
        values: dict[str, Any] = {name: bindparam(name) for name in names if name != "key"}
        changed = update(table).where(table.c.id == bindparam("key")).values(values)
        db.session.connection().execute(changed, same)
    _own_customers(timelines)
    events = [event for timeline in timelines for event in timeline.events]
    if events:
        db.session.execute(insert(HitEvent), events)
    db.session.commit()
    db.session.expire_all()


def _own_customers(timelines: list[Timeline]) -> None:
    """Store the owners of customers, and the dates on which they come back to open hits."""
    values = [
        {
            "hit": each.hit_id,
            "owner": each.left.get("owner_id"),
            "since": each.left.get("claimed_at"),
            "next_on": each.left.get("next_on"),
        }
        for each in timelines
        if each.status in OPEN
    ]
    if values:
        db.session.execute(_OWN, values)


_OWN = text(
    """
    UPDATE customer SET owner_id = coalesce(owner_id, CAST(:owner AS integer)),
        owned_since = coalesce(owned_since, CAST(:since AS timestamptz)),
        next_on = coalesce(CAST(:next_on AS date), next_on)
    WHERE id = (SELECT lead_id FROM hit WHERE id = :hit) AND open_hits > 0
      AND coalesce(owner_id, CAST(:owner AS integer)) IS NOT NULL
    """
)
