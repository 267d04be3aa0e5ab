"""Taints of accounts: who besides the owner could act under one. Approvals treat such accounts as one person.

An account is tainted by whoever sets it up, resets its password or changes its e-mail address, and by
everybody who could act under that person's account at that moment. It is clean again once its owner has
chosen a password through a link mailed to them. A second factor that the owner enrols, or an account that
comes from the bank's directory, is to call the same ``clear``. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.lib import clock
from app.models import AccountTaint, Staff

#: causes of a taint
SET_UP, PASSWORD, ADDRESS = "set_up", "password", "address"


def add_taint(person: Staff, user: Staff, kind: str, *, address: bool = False) -> None:
    """Record that the user, and whoever could act as the user, could act under the person's account.

    Nobody taints their own account. ``address`` says that the user alone chose the account's present address,
    so that a link sent there clears nothing.
    """
    rows = [
        {"person_id": person.id, "by_id": each, "kind": kind, "address_chosen": address}
        for each in sorted(actors_of([user.id])[user.id] - {person.id})
        if user.id != person.id
    ]
    if not rows:
        return
    added = insert(AccountTaint).values(rows)
    again = {
        "kind": kind,
        "at": clock.BEGAN,
        "address_chosen": AccountTaint.address_chosen | added.excluded.address_chosen,
    }
    db.session.execute(added.on_conflict_do_update(index_elements=["person_id", "by_id"], set_=again))


def record_address_change(person: Staff, user: Staff, *, checked: bool) -> None:
    """Record that the user changed the account's address; ``checked`` says that a second person approved it.

    The previous address no longer counts against whoever chose it, unless they could have acted as the user.
    """
    replaced = update(AccountTaint).where(AccountTaint.person_id == person.id)
    if not checked:
        replaced = replaced.where(AccountTaint.by_id.not_in(actors_of([user.id])[user.id]))
    db.session.execute(replaced.values(address_chosen=False))
    add_taint(person, user, ADDRESS, address=not checked)


def clear(person: Staff) -> None:
    """Remove the taints of an account, except those of people who chose its present address on their own."""
    db.session.execute(
        delete(AccountTaint).where(
            AccountTaint.person_id == person.id, AccountTaint.address_chosen.is_(False)
        )
    )


def actors_of(ids: Iterable[int]) -> dict[int, set[int]]:
    """Return for each account the ids of everybody who could act under it, its owner included."""
    actors = {each: {each} for each in ids}
    query = select(AccountTaint.person_id, AccountTaint.by_id).where(AccountTaint.person_id.in_(actors))
    for person_id, by_id in db.session.execute(query).tuples():
        actors[person_id].add(by_id)
    return actors


def common_actors(one: int, other: int) -> set[int]:
    """Return the ids of everybody who could act under both accounts.

    If there is any, the two count as one.
    """
    actors = actors_of({one, other})
    return actors[one] & actors[other]


def linked_accounts(person_id: int) -> set[int]:
    """Return the ids of all accounts that count as one with this one, itself included."""
    actors = actors_of([person_id])[person_id]
    tainted = select(AccountTaint.person_id).where(AccountTaint.by_id.in_(actors))
    return {person_id} | actors | set(db.session.scalars(tainted))


def tainters_of(person: Staff) -> list[Staff]:
    """Return everybody else who could act under the account, ordered by id."""
    query = select(Staff).join(AccountTaint, AccountTaint.by_id == Staff.id)
    return list(db.session.scalars(query.where(AccountTaint.person_id == person.id).order_by(Staff.id)))
