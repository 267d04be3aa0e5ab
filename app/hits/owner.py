"""The owner of a customer: the only code that changes it, and who is told what when two people want one.

Each function takes the caller's transaction, locks the customer's open hits and then the customer, records a
HitEvent on every open hit, and raises DomainError when the owner is no longer who was seen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Date, func, insert, literal, or_, select, update

from app import labels
from app.access.scope import leads_visible_to, supervises, works_hits
from app.errors import DomainError
from app.extensions import db
from app.hits.settings import work_setting
from app.leads.reasons import mask_numbers
from app.lib import clock
from app.models import Customer, CustomerState, Hit, HitEvent, HitStatus, Lead, Staff

SYSTEM = "system"
#: the statuses in which a hit still needs work
OPEN = (HitStatus.WAITING, HitStatus.IN_PROGRESS)
MAX_NOTE = 1000


def claim(customer: Customer, user: Staff) -> None:
    """认领: make the user the owner of a customer whom nobody has, with every open hit."""
    if customer.owner_id is not None:
        raise taken(customer, user)
    refusal = _refusal(customer)
    if refusal:
        raise refusal
    _change(customer, "claim", user, owner=user, next_on=first_contact())


def hand_over(customer: Customer, assignee: Staff, user: Staff | None) -> None:
    """分配 / 移交: make somebody else the owner. For supervisors and the owner."""
    if user is not None and not _rules(customer, user):
        raise DomainError("Only managers can assign customers that are not their own.")
    refusal = _refusal(customer)
    if refusal:
        raise refusal
    if not may_own(customer.id, assignee):
        raise _not_theirs(customer, assignee)
    if customer.owner_id == assignee.id:
        raise DomainError(
            "%(lead)s is already assigned to %(owner)s.",
            lead=str(customer.lead),
            owner=assignee.get_full_name(),
        )
    _change(customer, "assign", user, owner=assignee, next_on=first_contact())


def give_back(customer: Customer, user: Staff, note: str = "") -> None:
    """退回: leave the customer to whoever claims them next. For the owner and supervisors."""
    if customer.owner_id is None:
        raise DomainError("Nobody has %(lead)s.", lead=str(customer.lead))
    if not _rules(customer, user):
        raise taken(customer, user)
    _change(customer, "give_back", user, owner=None, next_on=None, note=note)


def ask(customer: Customer, user: Staff) -> None:
    """请求移交: ask the owner for the customer. One person can ask at a time, until the owner answers."""
    if customer.owner_id in (None, user.id):
        raise DomainError("%(lead)s is free or yours; there is nobody to ask.", lead=str(customer.lead))
    if not may_own(customer.id, user):
        raise DomainError("You can't work on this customer.")
    held = locked(customer.id)
    if held.asked_by is not None:
        raise DomainError(
            "%(person)s has already asked for %(lead)s.",
            person=held.asked_by.get_full_name(),
            lead=str(held.lead),
        )
    held.asked_by, held.asked_at = user, clock.now()
    db.session.flush()
    _record(held, "ask", user)


def decline(customer: Customer, user: Staff) -> None:
    """拒绝移交: keep the customer although somebody asked. For the owner and supervisors."""
    if not _rules(customer, user):
        raise taken(customer, user)
    held = locked(customer.id)
    if held.asked_by_id is None:
        raise DomainError("Nobody asks for %(lead)s.", lead=str(held.lead))
    held.asked_by, held.asked_at = None, None
    db.session.flush()
    _record(held, "decline", user)


def take(customer: Customer, user: Staff, but: int) -> None:
    """Make the user the owner of a locked customer whom nobody has, because they work on the hit ``but``."""
    _store(customer, user, None)
    _record(customer, "claim", user, but=but)


def restore(customer: Customer, owner: Staff, next_on: dt.date) -> None:
    """Give a locked customer whom nobody has back to a former owner, whose hit was opened again."""
    _store(customer, owner, next_on)


def plan(customer: Customer, next_on: dt.date) -> None:
    """Set the date of the next contact of a locked customer."""
    customer.next_on = next_on
    db.session.flush()


def promise(customer: Customer, call_back_at: dt.datetime | None) -> None:
    """Set when a locked customer wants to be called back, None for no such wish."""
    customer.call_back_at = call_back_at
    db.session.flush()


def allow_call(customer: Customer, user: Staff, reason: str) -> None:
    """Record with its reason that the customer may be called outside contact hours today."""
    _record(locked(customer.id), "allow_call", user, note=reason)


def set_task(leads: Sequence[int], title: str, due: dt.date) -> None:
    """Ask the owners of customers to do something by a date: a step on their open hits, and the next contact.

    Customers without an open hit have no owner, and nobody is asked.
    """
    _ask_all(leads, "task", title, due)


def remind(leads: Sequence[int]) -> None:
    """Ask the owners of customers to contact them today."""
    _ask_all(leads, "hand", "", clock.today())


def release(leads: Sequence[int]) -> None:
    """Leave customers to whoever of their branch claims them next."""
    ids = [lead for lead, owner_id in _locked(leads) if owner_id is not None]
    values = {"owner_id": None, "owned_since": None, "next_on": None}
    db.session.execute(
        update(Customer).where(Customer.id == func.any(ids)).values(values),
        execution_options={"synchronize_session": False},
    )
    _record_all(ids, "give_back", "", None)


def _ask_all(leads: Sequence[int], kind: str, note: str, due: dt.date) -> None:
    ids = [lead for lead, _owner_id in _locked(leads)]
    sooner = or_(Customer.next_on.is_(None), Customer.next_on > due)
    db.session.execute(
        update(Customer)
        .where(Customer.id == func.any(ids), Customer.owner_id.is_not(None), sooner)
        .values(next_on=due),
        execution_options={"synchronize_session": False},
    )
    _record_all(ids, kind, note, due)


def _locked(leads: Sequence[int]) -> Sequence[tuple[int, int | None]]:
    """Lock the open hits of many customers, then the customers. Return these, each with its owner."""
    hits = select(Hit.id).where(Hit.lead_id == func.any(list(leads)), Hit.status.in_(OPEN)).order_by(Hit.id)
    db.session.execute(hits.with_for_update(key_share=True)).all()
    query = select(Customer.id, Customer.owner_id).where(Customer.id == func.any(list(leads)))
    return db.session.execute(query.order_by(Customer.id).with_for_update(key_share=True)).tuples().all()


def _record_all(ids: list[int], kind: str, note: str, due: dt.date | None) -> None:
    """Record a step of the product on the open hits of customers."""
    query = (
        select(Hit.id, literal(kind), Hit.status, Hit.status, Staff.username)
        .add_columns(literal(mask_numbers(note.strip())[:MAX_NOTE]), literal(due, Date), literal(SYSTEM))
        .outerjoin(Staff, Staff.id == Hit.owner_id)
        .where(Hit.lead_id == func.any(ids), Hit.status.in_(OPEN))
        .order_by(Hit.id)
    )
    columns = ["hit_id", "kind", "from_status", "to_status", "owner", "note", "next_on", "person"]
    db.session.execute(insert(HitEvent).from_select(columns, query))


def calm(customer: Customer) -> None:
    """Take back the escalation of a locked customer, because somebody worked on a hit.

    Without an open hit there is nothing left to call back for.
    """
    customer.escalated_at = None
    if not customer.open_hits:
        customer.call_back_at = None
    db.session.flush()


def of_hit(hit: Hit) -> Customer:
    """Return the customer of a hit."""
    return db.session.get_one(Customer, hit.lead_id)


def locked(lead_id: int, *hits_too: int) -> Customer:
    """Lock a customer's open hits (and those of some keys) and the customer. Return it as it is now."""
    wanted = or_(Hit.status.in_(OPEN), Hit.id.in_(hits_too))
    hits = select(Hit.id).where(Hit.lead_id == lead_id, wanted).order_by(Hit.id)
    db.session.execute(hits.with_for_update(key_share=True)).all()
    return db.session.get_one(Customer, lead_id, with_for_update={"key_share": True}, populate_existing=True)


def may_own(lead_id: int, assignee: Staff) -> bool:
    """Whether the person works hits, is active and sees the lead."""
    if not assignee.active or not works_hits(assignee):
        return False
    return bool(db.session.scalar(select(Lead.id).where(Lead.id == lead_id, leads_visible_to(assignee))))


def _not_theirs(customer: Customer, assignee: Staff) -> DomainError:
    person, lead = assignee.get_full_name(), str(customer.lead)
    if not assignee.active or not works_hits(assignee):
        return DomainError(
            "%(person)s can't work on customers: wrong role or inactive account.", person=person
        )
    branch = customer.lead.branch.name if customer.lead.branch else ""
    if not branch:
        return DomainError("%(lead)s has no branch, so %(person)s can't see it.", lead=lead, person=person)
    return DomainError(
        "%(lead)s belongs to %(branch)s, which %(person)s can't see.", lead=lead, branch=branch, person=person
    )


def is_allowed(customer: Customer, step: str, user: Any) -> bool:
    """Whether the user could claim, hand over, give back, ask for or decline to give the customer now."""
    owned = customer.owner_id is not None
    mine, rules = owned and customer.owner_id == user.id, owned and _rules(customer, user)
    allowed = {
        "claim": not owned and works_hits(user) and customer.state == CustomerState.OPEN,
        "assign": supervises(user) and customer.state == CustomerState.OPEN,
        "give_back": rules,
        "hand_over": mine and customer.state == CustomerState.OPEN,
        "ask": owned and not mine and customer.asked_by_id is None and works_hits(user),
        "grant": rules and customer.asked_by_id is not None,
        "decline": rules and customer.asked_by_id is not None,
    }
    return bool(allowed[step])


def taken(customer: Customer, user: Staff | None) -> DomainError:
    """Return the error that tells the user who has the customer and since when."""
    if user is not None and customer.owner_id == user.id:
        return DomainError("%(lead)s is already yours.", lead=str(customer.lead))
    if customer.owner is None or customer.owned_since is None:
        return DomainError("%(lead)s has just been changed by somebody else.", lead=str(customer.lead))
    return DomainError(
        "%(lead)s: %(owner)s has had this customer since %(since)s. You can ask for a handover.",
        lead=str(customer.lead),
        owner=customer.owner.get_full_name(),
        since=f"{labels.local(customer.owned_since):%Y-%m-%d %H:%M}",
    )


def first_contact() -> dt.date:
    """Return the date until which a new owner should make contact."""
    return clock.today() + dt.timedelta(days=work_setting().respond_days)


def _rules(customer: Customer, user: Any) -> bool:
    return customer.owner_id == user.id or supervises(user)


def _refusal(customer: Customer) -> DomainError | None:
    """Return why nobody can begin to work on the customer, None when somebody can."""
    lead = str(customer.lead)
    if customer.state == CustomerState.OPEN:
        return None
    if customer.state == CustomerState.DONE:
        return DomainError("%(lead)s has no open hit, so this is not possible now.", lead=lead)
    if customer.lead.opted_out or (customer.hit is not None and customer.hit.opted_out):
        return DomainError(
            "%(lead)s is on the do-not-disturb list and must not be contacted. Close the hit instead.",
            lead=lead,
        )
    if customer.hit is not None and customer.hit.bought:
        return DomainError(
            "%(lead)s has bought already, as the bank's own system says. Mark the hit as converted.",
            lead=lead,
        )
    return DomainError(
        "%(lead)s is in a holdout group and must not be contacted, so that the effect of contact can be"
        " measured.",
        lead=lead,
    )


def _change(
    customer: Customer,
    kind: str,
    user: Staff | None,
    *,
    owner: Staff | None,
    next_on: dt.date | None,
    note: str = "",
) -> None:
    """Change the owner unless somebody changed it first, and record the step on every open hit."""
    seen = customer.owner_id
    held = locked(customer.id)
    if held.owner_id != seen:
        raise taken(held, user)
    # What was seen may be over: the last open hit closed, or the customer opted out.
    if owner is not None and (refusal := _refusal(held)):
        raise refusal
    _store(held, owner, next_on)
    _record(held, kind, user, note=note)


def _store(customer: Customer, owner: Staff | None, next_on: dt.date | None) -> None:
    since = clock.now() if owner else None
    values = {"owner_id": owner.id if owner else None, "owned_since": since, "next_on": next_on}
    db.session.execute(
        update(Customer).where(Customer.id == customer.id).values(values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(customer)


def _record(customer: Customer, kind: str, user: Staff | None, *, note: str = "", but: int = 0) -> None:
    """Record a step on the customer's open hits, which are read again because triggers changed them."""
    owner = customer.owner.username if customer.owner else None
    query = select(Hit).where(Hit.lead_id == customer.id, Hit.status.in_(OPEN)).order_by(Hit.id)
    db.session.add_all(
        HitEvent(
            hit_id=hit.id,
            kind=kind,
            from_status=hit.status,
            to_status=hit.status,
            owner=owner,
            next_on=customer.next_on,
            note=mask_numbers(note.strip())[:MAX_NOTE],
            person=user.username if user else SYSTEM,
        )
        for hit in db.session.scalars(query.execution_options(populate_existing=True))
        if hit.id != but
    )
    db.session.flush()
