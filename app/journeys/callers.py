"""Who would make the calls of a journey: the owner of the customer, else the people of the branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import func, select

from app.extensions import db
from app.hits.assignment import FRONT_ROLE
from app.journeys.past import Past
from app.journeys.simulation import Callers, Tally
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.lib.wall_clock import date_of
from app.models import Branch, Customer, Lead, Staff

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: callers that are kept of a simulation, those with most calls on a day first
KEPT = 50
_KIND = 1 << 32


@dataclass(frozen=True)
class Desk:
    """An owner, or the ``people`` of a branch who have the customers without an owner; ids, 0 for none."""

    user: int
    branch: int
    people: int


class Desks:
    """The desks that the customers of a simulation have, as they are today."""

    def __init__(self, past: Past) -> None:
        owner, branch = func.coalesce(Customer.owner_id, 0), func.coalesce(Lead.branch_id, 0)
        query: Any = select(Lead.id, owner, branch).outerjoin(Customer, Customer.id == Lead.id)
        ids, owners, branches = integers(db.session.connection(), query.where(past.among()))
        order = np.argsort(ids)
        keys = np.where(owners > 0, owners, branches + _KIND)[order]
        known, of = np.unique(keys, return_inverse=True)
        self.callers = Callers(of[past.leads], len(known))
        people = _people()
        branch_ids = [int(key) - _KIND for key in known]
        self.desks = [
            Desk(0, branch, people.get(branch, 0)) if branch >= 0 else Desk(branch + _KIND, 0, 1)
            for branch in branch_ids
        ]

    def load(self, tally: Tally) -> dict[str, Any]:
        """Return the calls a day of each desk, and of all together."""
        rows = [
            {"user": desk.user, "branch": desk.branch, "people": desk.people, **_load(calls, tally.first_day)}
            for desk, calls in zip(self.desks, tally.calls, strict=True)
            if calls.any()
        ]
        rows.sort(key=lambda row: (-row["highest"] / max(row["people"], 1), -row["calls"]))
        everybody = _load(tally.calls.sum(axis=0), tally.first_day)
        return {**everybody, "desks": rows[:KEPT], "more": len(rows[KEPT:])}


def _load(calls: Any, first_day: int) -> dict[str, Any]:
    """Return the number of calls, the most on one day, that day, and how many days have how many calls."""
    if not calls.any():
        return {"calls": 0, "highest": 0, "on": None, "usual": 0, "days": 0, "daily": {}}
    busy = calls[calls > 0]
    numbers, days = np.unique(busy, return_counts=True)
    most = int(calls.argmax())
    return {
        "calls": int(calls.sum()),
        "highest": int(calls[most]),
        "on": date_of(first_day + most).isoformat(),
        "usual": float(np.median(busy)),
        "days": len(busy),
        "daily": {str(number): int(n) for number, n in zip(numbers, days, strict=True)},
    }


def days_over(load: dict[str, Any], most: int) -> int:
    """Return on how many days there are more calls than some number."""
    return sum(n for number, n in load["daily"].items() if int(number) > most)


def _people() -> dict[int, int]:
    """Return for each branch how many marketers take its customers: those of the nearest branch upwards."""
    marketers = dict(
        db.session.execute(
            select(Staff.branch_id, func.count())
            .where(Staff.active.is_(True), Staff.roles.any(Role.name == FRONT_ROLE))
            .group_by(Staff.branch_id)
        )
        .tuples()
        .all()
    )
    paths = db.session.execute(select(Branch.id, Branch.path)).tuples()
    return {
        branch: next((marketers[key] for key in _upwards(path) if key in marketers), 0)
        for branch, path in paths
    }


def _upwards(path: str) -> list[int]:
    return [int(key) for key in reversed(path.strip("/").split("/"))]
