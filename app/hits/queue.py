"""Queues: the customers of a list in its order, kept so that people go from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, select

from app.access.scope import customers_visible_to
from app.extensions import db
from app.models import Customer, CustomerState, Hit, HitEvent, Staff, WorkQueue

#: customers that a queue keeps at most, and how many of them come before the page on which it begins
MOST, BEFORE = 1_000, 500
#: queues that are kept for a person
KEPT = 20


def keep(
    user: Staff, address: str, customers: Sequence[int], first: int, total: int, opened: int
) -> WorkQueue:
    """Store the order of a list from row ``first`` on, and commit. Drop the person's oldest queues.

    ``opened`` comes first if it is no longer in the list.
    """
    keys = list(customers) if opened in customers else [opened, *customers]
    queue = WorkQueue(
        person_id=user.id, address=address, customers=keys, first=first, total=max(total, len(keys))
    )
    db.session.add(queue)
    db.session.flush()
    newest = (
        select(WorkQueue.id).where(WorkQueue.person_id == user.id).order_by(WorkQueue.id.desc()).limit(KEPT)
    )
    db.session.execute(
        delete(WorkQueue).where(WorkQueue.person_id == user.id, WorkQueue.id.not_in(newest)),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()
    return queue


@dataclass(frozen=True)
class Place:
    """A customer's place in a queue: the number of the row, and the neighbours that the person may see."""

    queue: WorkQueue
    number: int
    previous: int | None
    following: int | None


def place_of(user: Staff, queue_id: int | None, customer_id: int) -> Place | None:
    """Return the place of a customer in a queue of the person's own, None when there is none."""
    queue = db.session.get(WorkQueue, queue_id) if queue_id else None
    if queue is None or queue.person_id != user.id or customer_id not in queue.customers:
        return None
    index = queue.customers.index(customer_id)
    before, after = queue.customers[:index][::-1], queue.customers[index + 1 :]
    return Place(queue, queue.first + index + 1, _first_visible(user, before), _first_visible(user, after))


def passed_over(user: Staff, queue: WorkQueue) -> list[int]:
    """Return the customers of a queue who still can be worked, and with whom the user did nothing since."""
    done = exists().where(
        *(HitEvent.hit_id == Hit.id, Hit.lead_id == Customer.id),
        *(HitEvent.person == user.username, HitEvent.at >= queue.made_at),
    )
    query = select(Customer.id).where(
        *(Customer.id.in_(queue.customers), customers_visible_to(user)),
        *(Customer.state == CustomerState.OPEN, ~done),
    )
    left = set(db.session.scalars(query))
    return [key for key in queue.customers if key in left]


def again(user: Staff, queue_id: int) -> WorkQueue | None:
    """Keep a queue of the customers whom the user passed over in one of their own, None without any."""
    old = db.session.get(WorkQueue, queue_id)
    left = passed_over(user, old) if old is not None and old.person_id == user.id else []
    return keep(user, old.address, left, 0, len(left), left[0]) if old is not None and left else None


def _first_visible(user: Staff, keys: Sequence[int]) -> int | None:
    """Return the first of the customers whom the person still sees."""
    for start in range(0, len(keys), 50):
        part = keys[start : start + 50]
        visible = set(
            db.session.scalars(select(Customer.id).where(Customer.id.in_(part), customers_visible_to(user)))
        )
        found = next((key for key in part if key in visible), None)
        if found is not None:
            return found
    return None
