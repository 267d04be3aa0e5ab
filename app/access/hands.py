"""Who could act under which account: for approvals such people and accounts count as one.

An account is tainted by whoever sets it up, resets its password or changes its e-mail address, and by
everybody who could act under that account at that moment. It is clean again once its owner has chosen
a password through a link mailed to them. A second factor that the owner enrols, or an account that comes from
the bank's directory, is to call the same ``clear``. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.models import AccountTaint, Staff

#: why an account is tainted
SET_UP, PASSWORD, ADDRESS = "set_up", "password", "address"


def taint(person: Staff, by: Staff, kind: str, *, address: bool = False) -> None:
    """Record that ``by`` could act under the account, and whoever could act under theirs; not oneself.

    ``address``: they alone chose the account's present address, so that a link sent there clears nothing.
    """
    rows = [
        {"person_id": person.id, "by_id": each, "kind": kind, "address_chosen": address}
        for each in sorted(hands_of([by.id])[by.id] - {person.id})
        if by.id != person.id
    ]
    if not rows:
        return
    added = insert(AccountTaint).values(rows)
    again = {
        "kind": kind,
        "at": func.now(),
        "address_chosen": AccountTaint.address_chosen | added.excluded.address_chosen,
    }
    db.session.execute(added.on_conflict_do_update(index_elements=["person_id", "by_id"], set_=again))


def note_address(person: Staff, by: Staff, *, checked: bool) -> None:
    """Record that ``by`` changed the account's address; ``checked``: a second person agreed to it.

    An address that somebody had chosen alone is gone, unless they could have acted as ``by``.
    """
    gone = update(AccountTaint).where(AccountTaint.person_id == person.id)
    if not checked:
        gone = gone.where(AccountTaint.by_id.not_in(hands_of([by.id])[by.id]))
    db.session.execute(gone.values(address_chosen=False))
    taint(person, by, ADDRESS, address=not checked)


def clear(person: Staff) -> None:
    """Record that the owner alone can act under the account again, but for who chose its address alone."""
    db.session.execute(
        delete(AccountTaint).where(
            AccountTaint.person_id == person.id, AccountTaint.address_chosen.is_(False)
        )
    )


def hands_of(ids: Iterable[int]) -> dict[int, set[int]]:
    """Ids of everybody who could act under each account, its owner included."""
    found = {each: {each} for each in ids}
    query = select(AccountTaint.person_id, AccountTaint.by_id).where(AccountTaint.person_id.in_(found))
    for person_id, by_id in db.session.execute(query).tuples():
        found[person_id].add(by_id)
    return found


def common(one: int, other: int) -> set[int]:
    """Ids of everybody who could act under both accounts: with any of them the two count as one."""
    hands = hands_of({one, other})
    return hands[one] & hands[other]


def accounts_like(person_id: int) -> set[int]:
    """Ids of every account that counts as one with this one, itself included."""
    mine = hands_of([person_id])[person_id]
    below = select(AccountTaint.person_id).where(AccountTaint.by_id.in_(mine))
    return {person_id} | mine | set(db.session.scalars(below))


def tainted_by(person: Staff) -> list[Staff]:
    """Everybody else who could act under the account, by id."""
    query = select(Staff).join(AccountTaint, AccountTaint.by_id == Staff.id)
    return list(db.session.scalars(query.where(AccountTaint.person_id == person.id).order_by(Staff.id)))
