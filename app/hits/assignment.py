"""Assignment of customers: eligible assignees, and automatic assignment by branch and workload."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Sequence

from flask_appbuilder.security.sqla.models import Role
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, exists, false, func, not_, or_, select, text, true

from app.access.scope import WORKING_ROLES, sees_whole_bank
from app.extensions import db
from app.hits.due import unclaimed
from app.hits.owner import SYSTEM
from app.hits.settings import work_setting
from app.hits.sql import SQL
from app.jobs.locks import Lock, try_lock
from app.lib.clock import today
from app.models import Branch, Customer, Hit, HitStatus, Staff

#: customers assigned in one tick at most
MAX_AT_ONCE = 2_000
#: the role whose members are assigned customers automatically
FRONT_ROLE = "Marketer"


def assignees(user: Staff) -> list[Staff]:
    """Return the people to whom a user can assign customers, or hand over their own, sorted by name.

    They are active, work hits, and belong to the user's scope, or to a branch above, which sees it too.
    """
    within = true() if sees_whole_bank(user) else Staff.branch.has(_below_or_above_branch_of(user))
    query = select(Staff).where(Staff.active.is_(True), Staff.roles.any(Role.name.in_(WORKING_ROLES)), within)
    return sorted(db.session.scalars(query), key=lambda assignee: assignee.get_full_name())


def labelled(people: Iterable[Staff]) -> list[tuple[str, str]]:
    """Return id and label of people: the name, with the branch and the number of customers they have."""
    customers = customers_by_owner()
    return [
        (
            str(each.id),
            _(
                "%(name)s (%(branch)s, customers: %(n)s)",
                name=each.get_full_name(),
                branch=each.branch.name if each.branch else _("Whole bank"),
                n=customers.get(each.id, 0),
            ),
        )
        for each in people
    ]


def _below_or_above_branch_of(user: Staff) -> ColumnElement[bool]:
    path = user.branch.path if user.branch else "-"
    return or_(Branch.path.startswith(path, autoescape=True), func.starts_with(path, Branch.path))


def customers_by_owner() -> dict[int, int]:
    """Return the number of customers of each owner who has any."""
    query = (
        select(Customer.owner_id, func.count())
        .where(Customer.owner_id.is_not(None))
        .group_by(Customer.owner_id)
    )
    return {owner: n for owner, n in db.session.execute(query).tuples() if owner is not None}


def auto_assign(now: dt.datetime) -> int:
    """Assign waiting customers whom nobody has, if that is switched on, and commit. Return their number.

    Called by the ticker; a concurrent call does nothing. Best grades go first. A customer goes to the nearest
    branch, from their own upwards, that has a marketer with fewer than ``most_open`` customers, and there to
    the marketer with the fewest. Customers who must not be contacted are left unassigned.
    """
    setting = work_setting()
    if not setting.auto_assign or not try_lock(db.session(), Lock.ASSIGNMENT):
        db.session.rollback()
        return 0
    count = _assign(today(now) + dt.timedelta(days=setting.respond_days))
    db.session.commit()
    return count


def assign(leads: Sequence[int], next_on: dt.date) -> None:
    """Assign those of some customers whom nobody has, in the same way. Does not commit."""
    _assign(next_on, Customer.id == func.any(list(leads)))


def _assign(next_on: dt.date, *among: ColumnElement[bool]) -> int:
    workloads, most = _workloads(), work_setting().most_open
    with_room = [path for path, workload in workloads.items() if workload[0][0] < most]
    assignments = []
    for customer_id, path in _unclaimed(with_room, *among):
        assignee = _next_assignee(workloads, path, most)
        if assignee is not None:
            assignments.append((customer_id, assignee))
    return _store(assignments, next_on) if assignments else 0


def _unclaimed(with_room: list[str], *among: ColumnElement[bool]) -> list[tuple[int, str]]:
    """Return the customers with a hit that waits, at or below the branches with room, each with its path."""
    waits = exists().where(
        *(Hit.lead_id == Customer.id, Hit.status == HitStatus.WAITING),
        not_(Hit.barred()),
    )
    near = or_(false(), *(Branch.path.startswith(path, autoescape=True) for path in with_room))
    query = (
        select(Customer.id, Branch.path)
        .join(Branch, Branch.id == Customer.branch_id)
        .where(Customer.live, unclaimed(), near, waits, *among)
        .order_by(Customer.grade, Customer.hit_date.desc(), Customer.score.desc(), Customer.id)
        .limit(MAX_AT_ONCE)
    )
    return [(customer_id, path) for customer_id, path in db.session.execute(query).tuples()]


def _workloads() -> dict[str, list[tuple[int, int]]]:
    """Return for each branch path the marketers as a priority queue of (customers, user id)."""
    query = (
        select(Branch.path, Staff.id)
        .join(Branch, Branch.id == Staff.branch_id)
        .where(Staff.active.is_(True), Staff.roles.any(Role.name == FRONT_ROLE))
    )
    customers, workloads = customers_by_owner(), dict[str, list[tuple[int, int]]]()
    for path, marketer in db.session.execute(query).tuples():
        heapq.heappush(workloads.setdefault(path, []), (customers.get(marketer, 0), marketer))
    return workloads


def _next_assignee(workloads: dict[str, list[tuple[int, int]]], path: str, most: int) -> int | None:
    """Return the marketer for one more customer of a branch and count it as theirs; None if all are full."""
    keys = path.strip("/").split("/")
    for depth in range(len(keys), 0, -1):
        workload = workloads.get("/" + "/".join(keys[:depth]) + "/")
        if workload and workload[0][0] < most:
            n, marketer = heapq.heappop(workload)
            heapq.heappush(workload, (n + 1, marketer))
            return marketer
    return None


def _store(assignments: list[tuple[int, int]], next_on: dt.date) -> int:
    """Store the assignments, skipping customers somebody works on. Return the number stored."""
    values = {
        "customers": [customer for customer, _assignee in assignments],
        "people": [assignee for _customer, assignee in assignments],
        "next_on": next_on,
        "system": SYSTEM,
    }
    return int(db.session.execute(text(SQL["store_assignments"]), values).scalar_one())
