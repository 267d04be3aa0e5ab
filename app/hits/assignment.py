"""Who gets which hit: the people to choose from, and handing out by branch and load."""

from __future__ import annotations

import datetime as dt
import heapq

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import ColumnElement, and_, false, func, or_, select, text, true

from app.access.scope import WORKING_ROLES, sees_whole_bank
from app.extensions import db
from app.hits.due import unclaimed
from app.hits.settings import work_setting
from app.hits.sql import SQL
from app.hits.steps import OPEN, SYSTEM
from app.jobs.locks import Lock, try_lock
from app.lib.clock import today
from app.models import Branch, Hit, Lead, Staff

#: hits that one tick hands out at most
MAX_AT_ONCE = 2_000
#: who gets hits without asking
FRONT_ROLE = "Marketer"


def assignees(by: Staff) -> list[Staff]:
    """Whom a supervisor can give hits, by name: active people who work hits, in the supervisor's scope."""
    within = true() if sees_whole_bank(by) else Staff.branch.has(_below(by))
    query = select(Staff).where(Staff.active.is_(True), Staff.roles.any(Role.name.in_(WORKING_ROLES)), within)
    return sorted(db.session.scalars(query), key=lambda person: person.get_full_name())


def _below(by: Staff) -> ColumnElement[bool]:
    return Branch.path.startswith(by.branch.path if by.branch else "-", autoescape=True)


def load() -> dict[int, int]:
    """How many open hits each person has."""
    query = (
        select(Hit.owner_id, func.count())
        .where(Hit.owner_id.is_not(None), Hit.status.in_(OPEN))
        .group_by(Hit.owner_id)
    )
    return {owner: n for owner, n in db.session.execute(query).tuples() if owner is not None}


def hand_out(now: dt.datetime) -> int:
    """Give waiting hits that are nobody's to marketers, when that is switched on; how many. Commits.

    What the ticker calls; a second one at the same time passes. Best grades go first. A hit goes to the
    nearest branch, from the lead's own upwards, that has a marketer with fewer than ``most_open`` open hits,
    there to who has fewest. Hits of leads that are not to be disturbed stay.
    """
    setting = work_setting()
    if not setting.auto_assign or not try_lock(db.session(), Lock.ASSIGNMENT):
        db.session.rollback()
        return 0
    desks = _desks()
    given = []
    for hit_id, path in _unclaimed([path for path, desk in desks.items() if desk[0][0] < setting.most_open]):
        person = _lightest(desks, path, setting.most_open)
        if person is not None:
            given.append((hit_id, person))
    count = _give(given, today(now) + dt.timedelta(days=setting.respond_days)) if given else 0
    db.session.commit()
    return count


def _unclaimed(with_room: list[str]) -> list[tuple[int, str]]:
    """Hits to hand out in branches that have room, or lie below one that has, with their branch's path."""
    near = or_(false(), *(Branch.path.startswith(path, autoescape=True) for path in with_room))
    query = (
        select(Hit.id, Branch.path)
        .join(Lead, and_(Lead.id == Hit.lead_id, Lead.deleted_at.is_(None)))
        .join(Branch, Branch.id == Lead.branch_id)
        .where(unclaimed(), near)
        .order_by(Hit.grade, Hit.hit_date.desc(), Hit.score.desc(), Hit.id)
        .limit(MAX_AT_ONCE)
    )
    return [(hit_id, path) for hit_id, path in db.session.execute(query).tuples()]


def _desks() -> dict[str, list[tuple[int, int]]]:
    """Branch path → heap of (open hits, person) of its marketers."""
    query = (
        select(Branch.path, Staff.id)
        .join(Branch, Branch.id == Staff.branch_id)
        .where(Staff.active.is_(True), Staff.roles.any(Role.name == FRONT_ROLE))
    )
    open_hits, desks = load(), dict[str, list[tuple[int, int]]]()
    for path, person in db.session.execute(query).tuples():
        heapq.heappush(desks.setdefault(path, []), (open_hits.get(person, 0), person))
    return desks


def _lightest(desks: dict[str, list[tuple[int, int]]], path: str, most: int) -> int | None:
    """The person to take one more hit of a branch, counted as having it; None when all are full."""
    keys = path.strip("/").split("/")
    for depth in range(len(keys), 0, -1):
        desk = desks.get("/" + "/".join(keys[:depth]) + "/")
        if desk and desk[0][0] < most:
            n, person = heapq.heappop(desk)
            heapq.heappush(desk, (n + 1, person))
            return person
    return None


def _give(given: list[tuple[int, int]], next_on: dt.date) -> int:
    """Write what was decided, leaving out hits that somebody claimed meanwhile."""
    values = {
        "hits": [hit for hit, _person in given],
        "people": [person for _hit, person in given],
        "next_on": next_on,
        "system": SYSTEM,
    }
    return db.session.execute(text(SQL["give"]), values).rowcount  # type: ignore[attr-defined]
