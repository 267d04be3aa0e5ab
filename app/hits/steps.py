"""The steps in the work on a hit: the only way its status changes. Its owner is its customer's (owner.py).

Each function takes one step of one hit in the caller's transaction and records it as a HitEvent. ``user`` is
None for steps of the product itself. Every function raises DomainError, and changes nothing, when the hit's
status does not allow the step, when somebody else has the customer, or when somebody changed it first. Work
on the open hit of a customer whom nobody has makes the user the owner.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import joinedload

from app import labels
from app.access.scope import supervises
from app.errors import DomainError, FieldError
from app.extensions import db
from app.hits import owner as owners
from app.hits import undo
from app.hits.owner import MAX_NOTE, OPEN, SYSTEM
from app.leads import suppression
from app.leads.reasons import mask_numbers
from app.lib import clock
from app.lib.amounts import yuan
from app.lib.row_id import row_id
from app.models import CloseReason, ContactResult, Customer, Hit, HitEvent, HitStatus, Product, Staff

#: how far ahead the next follow-up of a hit may lie
MAX_DAYS_AHEAD = 366
#: the largest amount of a conversion, in yuan
MAX_AMOUNT = Decimal("999999999999.99")


@dataclass(frozen=True)
class Step:
    """The statuses in which a step can be taken, and the status it leads to (None: no change)."""

    before: tuple[str, ...]
    after: str | None = None


STEPS = {
    "start": Step((HitStatus.WAITING,), HitStatus.IN_PROGRESS),
    "follow_up": Step((HitStatus.IN_PROGRESS,)),
    "convert": Step((HitStatus.IN_PROGRESS,), HitStatus.CONVERTED),
    "correct": Step((HitStatus.CONVERTED,)),
    "close": Step(OPEN, HitStatus.FAILED),
    "reopen": Step((HitStatus.FAILED,), HitStatus.WAITING),
}


def midnight(day: dt.date) -> dt.datetime:
    """Return the moment at which the local date begins."""
    return dt.datetime.combine(day, dt.time(), current_app.config["SETTINGS"].zone)


def is_allowed(hit: Hit, step: str, user: Any) -> bool:
    """Whether the user could take the step now."""
    return hit.status in _statuses_before(hit, step, user) and _refusal(hit, step, user) is None


def start(hit: Hit, user: Staff | None) -> None:
    """单独联系: begin work on a waiting hit."""
    _take(hit, "start", user, next_on=hit.next_on or clock.today())


def begin(hit: Hit, user: Staff) -> None:
    """Start a waiting hit that the user may contact now."""
    if hit.status == HitStatus.WAITING and is_allowed(hit, "start", user):
        start(hit, user)


def follow_up(
    hit: Hit,
    user: Staff | None,
    note: str,
    next_on: dt.date | None,
    *,
    result: ContactResult | None = None,
    call_back_at: dt.datetime | None = None,
) -> None:
    """跟进进度: record a note, or a result, and when the next contact is. Raises FieldError for these.

    The time of an agreed call stands before the note.
    """
    if not note.strip() and result is None:
        raise FieldError("note", "Describe the conversation or the attempted contact.")
    day = clock.today()
    if next_on is None or not day <= next_on <= day + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise FieldError("next_on", "Choose a date from today to one year ahead.")
    _start_own(hit, user)
    agreed = f"{labels.local(call_back_at):%Y-%m-%d %H:%M}" if call_back_at else ""
    _take(hit, "follow_up", user, facts=agreed, note=note, result=result, next_on=next_on)
    if user is not None:
        owners.promise(owners.of_hit(hit), call_back_at)


def convert(
    hit: Hit,
    user: Staff | None,
    on: dt.date | None = None,
    amount: Decimal | None = None,
    note: str = "",
    product: Product | None = None,
) -> None:
    """营销已转化: record a conversion on a date (default today), with its product and its amount in yuan.

    The product is by default the only one that the rule counts; a person has to name one of several.

    A held-out customer may convert without contact, so such a hit converts from waiting; comparison with
    these measures the effect of contact. Raises FieldError for date, amount and product.
    """
    moment = _converted_at(hit, on or clock.today())
    _check_amount(amount)
    product = _named_product(hit, product, required=user is not None)
    _start_own(hit, user)
    facts = " · ".join(filter(None, (product and product.name, "" if amount is None else yuan(amount))))
    values: dict[str, Any] = {"converted_at": moment, "amount": amount}
    values["product_id"] = product.id if product else None
    _take(hit, "convert", user, facts=facts, note=note, next_on=None, **values)


def products_of(hit: Hit) -> list[Product]:
    """Return the products whose outcomes convert the hit."""
    codes = hit.version.products
    query = select(Product).where(Product.code.in_(codes)) if codes else select(Product)
    return list(db.session.scalars(query.order_by(Product.id)))


def _named_product(hit: Hit, product: Product | None, *, required: bool) -> Product | None:
    """Return the product of a conversion, by default the only one. Raises FieldError."""
    known = products_of(hit)
    if product is None and len(known) == 1:
        return known[0]
    if product is None and known and required:
        raise FieldError("product", "Choose the product that the customer bought.")
    if product is not None and product not in known:
        raise FieldError("product", "The rule of this hit doesn't count “%(name)s”.", name=product.name)
    return product


def correct(
    hit: Hit, user: Staff, on: dt.date, amount: Decimal | None, note: str, product: Product | None = None
) -> None:
    """Correct the date, amount and, if one is given, product of a conversion; ``note`` gives the reason.

    The history keeps the old and the new values. The owner may do so on the local day the conversion was
    recorded, managers always. Raises FieldError for date, amount, product and note.
    """
    if not note.strip():
        raise FieldError("note", "Give a reason for the correction.")
    moment = _converted_at(hit, on)
    _check_amount(amount)
    # Of two concurrent corrections, the second one's old values are what the first one wrote.
    db.session.refresh(hit, with_for_update=True)
    was = hit.converted_at.astimezone(moment.tzinfo).date() if hit.converted_at else None
    named = hit.product if product is None else _named_product(hit, product, required=True)
    if (was, hit.amount, hit.product) == (on, amount, named):
        raise FieldError("amount", "Neither date, amount nor product has changed.")
    if was == on:
        moment = hit.converted_at or moment
    facts = f"{was or '—'} → {on} · {yuan(hit.amount)} → {yuan(amount)}"
    if named != hit.product:
        facts += f" · {hit.product or '—'} → {named}"
    values: dict[str, Any] = {"converted_at": moment, "amount": amount, "owner_id": hit.owner_id}
    values["product_id"] = named.id if named else None
    _take(hit, "correct", user, facts=facts, note=note, **values)


def close(
    hit: Hit,
    user: Staff | None,
    reason: CloseReason | None,
    note: str = "",
    *,
    suppress: bool = False,
    result: ContactResult | None = None,
) -> None:
    """已联系失效: close a hit for a reason of the managed list. Raises FieldError when there is none.

    With ``suppress``, and if the reason is a refusal, the lead is put on the do-not-disturb list as well.
    """
    if reason is None or not reason.active:
        raise FieldError("reason", "Choose a reason for closing the hit.")
    text = f"{reason.name}：{note.strip()}" if note.strip() else reason.name
    listed = suppress and reason.refusal
    if listed:
        # Before the hit is locked: whoever holds the list lock changes waiting hits.
        suppression.lock_list(db.session())
    _take(hit, "close", user, note=text, result=result, close_reason_id=reason.id, next_on=None)
    if listed:
        who = user.username if user else SYSTEM
        why = mask_numbers(text)
        suppression.add_lead(db.session(), hit.lead, reason=why, user=who, today=clock.today())


def reopen(hit: Hit, user: Staff | None, note: str = "") -> None:
    """再次激活: make a closed hit wait again.

    It is the owner's who has the customer now, else the former owner's if they can still work on it. Refused
    while the lead is on the do-not-disturb list; the hit's opt-out mark follows that list again.
    """
    _take(hit, "reopen", user, note=note, close_reason_id=None, opted_out=False, owner_id=None)


def steps_of(hit: Hit) -> list[HitEvent]:
    """Return every step of a hit, newest first."""
    query = select(HitEvent).where(HitEvent.hit_id == hit.id).order_by(HitEvent.id.desc())
    return list(db.session.scalars(query))


def steps_with(customer: Customer) -> list[HitEvent]:
    """Return the steps on the hits of a customer, newest first; of what was recorded at once the last one."""
    query = select(HitEvent).where(at_once(customer.id)).order_by(HitEvent.id.desc())
    return list(db.session.scalars(query))


def at_once(lead_id: int) -> ColumnElement[bool]:
    """Return the criterion for the last of the steps that a person took at once on a customer's hits."""
    query = select(func.max(HitEvent.id)).join(Hit, Hit.id == HitEvent.hit_id)
    return HitEvent.id.in_(query.where(Hit.lead_id == lead_id).group_by(HitEvent.at, HitEvent.person))


def hits_of(lead_id: int, events: Sequence[HitEvent]) -> dict[int, list[Hit]]:
    """Return the hits of a customer on which each of some steps was taken at once, by the step's key."""
    query = (
        select(HitEvent.at, HitEvent.person, HitEvent.kind, Hit)
        .join(Hit, Hit.id == HitEvent.hit_id)
        .where(Hit.lead_id == lead_id, HitEvent.at.in_({event.at for event in events}))
        .options(joinedload(Hit.rule))
        .order_by(Hit.id)
    )
    found: dict[Any, list[Hit]] = defaultdict(list)
    for at, person, kind, hit in db.session.execute(query).tuples():
        found[at, person, kind].append(hit)
    return {event.id: found[event.at, event.person, event.kind] for event in events}


def close_reasons() -> list[CloseReason]:
    """Return the active close reasons in their order."""
    query = select(CloseReason).where(CloseReason.active).order_by(CloseReason.position, CloseReason.id)
    return list(db.session.scalars(query))


def reason_of(key: str | None) -> CloseReason | None:
    """Return the close reason with the id in a form's field, or None."""
    reason_id = row_id(key)
    return db.session.get(CloseReason, reason_id) if reason_id else None


def _start_own(hit: Hit, user: Staff | None) -> None:
    """Start a waiting hit of the user's own."""
    if _can_start_own(hit, user):
        start(hit, user)


def _can_start_own(hit: Hit, user: Any) -> bool:
    own = user is not None and hit.owner_id == user.id and hit.status == HitStatus.WAITING
    return own and _refusal(hit, "start", user) is None


def _converted_at(hit: Hit, day: dt.date) -> dt.datetime:
    """Return the moment of a conversion known to the day. Raises FieldError for an impossible day."""
    now = clock.now()
    if not hit.hit_date <= day <= clock.today(now):
        raise FieldError(
            "on", "The date must lie between the hit date (%(first)s) and today.", first=str(hit.hit_date)
        )
    zone = current_app.config["SETTINGS"].zone
    return now.astimezone(zone) if day == clock.today(now) else dt.datetime.combine(day, dt.time(12), zone)


def _check_amount(amount: Decimal | None) -> None:
    if amount is None:
        return
    if not (amount.is_finite() and 0 <= amount <= MAX_AMOUNT and amount == round(amount, 2)):
        raise FieldError(
            "amount",
            "Enter an amount in yuan from 0 to %(most)s, with at most two decimals.",
            most=f"{MAX_AMOUNT:,}",
        )


def _converted_on(hit: Hit) -> dt.date | None:
    """Return the local day on which the hit's conversion was recorded, None when no step did."""
    query = select(func.max(HitEvent.at)).where(HitEvent.hit_id == hit.id, HitEvent.kind == "convert")
    at = db.session.scalar(query.where(HitEvent.stands()))
    return clock.today(at) if at else None


def _take(
    hit: Hit,
    step: str,
    user: Staff | None,
    *,
    facts: str = "",
    note: str = "",
    result: ContactResult | None = None,
    **values: Any,
) -> None:
    """Change the hit unless somebody changed it first, and record the step with ``facts`` before the note.

    ``next_on`` is that of the customer while the hit stays open.
    """
    refusal = _refusal(hit, step, user)
    if refusal:
        raise refusal
    masked = mask_numbers(note.strip())
    if len(masked) > MAX_NOTE:
        raise FieldError("note", "A note can have at most %(most)s characters.", most=MAX_NOTE)
    customer, before, former = _locked(hit, step, user), hit.status, hit.owner
    kept = undo.kept(hit)
    status = STEPS[step].after or before
    if status in OPEN and step != "reopen":
        _move_customer(customer, hit, user, values)
    elif "owner_id" not in values and former is None and user is not None:
        values |= {"owner_id": user.id, "claimed_at": clock.BEGAN}
    db.session.execute(
        update(Hit).where(Hit.id == hit.id).values(status=status, updated_at=clock.BEGAN, **values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(customer)
    if step == "reopen":
        _restore(customer, former)
    owners.calm(customer)
    db.session.refresh(hit)
    person, owner = user.username if user else SYSTEM, hit.owner.username if hit.owner else None
    event: dict[str, Any] = {
        "hit_id": hit.id,
        "kind": step,
        "from_status": before,
        "to_status": status,
        "person": person,
    }
    text = " · ".join(filter(None, (facts, masked)))
    event |= {"result_id": result.id if result else None, "before": kept}
    db.session.add(HitEvent(owner=owner, note=text, next_on=values.get("next_on"), **event))
    db.session.flush()


def _locked(hit: Hit, step: str, user: Staff | None) -> Customer:
    """Lock the customer, and check that the hit is still as it was seen. Raises DomainError when it isn't."""
    seen = (hit.status, hit.owner_id)
    customer = owners.locked(hit.lead_id, hit.id)
    db.session.refresh(hit)
    if seen != (hit.status, hit.owner_id):
        raise _conflict(hit, user)
    others = user is not None and not supervises(user) and customer.owner_id not in (None, user.id)
    if others and step == "reopen":
        raise owners.taken(customer, user)
    return customer


def _move_customer(customer: Customer, hit: Hit, user: Staff | None, values: dict[str, Any]) -> None:
    """Make the user the owner if nobody is, and set the customer's date of the next contact."""
    if customer.owner_id is None and user is not None:
        owners.take(customer, user, but=hit.id)
    if customer.owner_id is not None and "next_on" in values:
        owners.plan(customer, values["next_on"])


def _restore(customer: Customer, former: Staff | None) -> None:
    """Give a customer whom nobody has back to the former owner of a hit, if they can still work on it."""
    if customer.owner_id is None and former is not None and owners.may_own(customer.id, former):
        owners.restore(customer, former, owners.first_contact())


def _statuses_before(hit: Hit, step: str, user: Any) -> tuple[str, ...]:
    """Return the statuses in which the user can take the step on the hit."""
    uncontacted = step == "convert" and hit.holdout
    starts = step in ("follow_up", "convert") and _can_start_own(hit, user)
    return STEPS[step].before + ((HitStatus.WAITING,) if uncontacted or starts else ())


def _refusal(hit: Hit, step: str, user: Any) -> DomainError | None:
    """Return why the user can't take the step, None when they can."""
    after = STEPS[step].after
    old, before = labels.word(labels.ANY_HIT_STATUS, hit.status), _statuses_before(hit, step, user)
    if hit.status not in before and after is None:
        return DomainError("%(lead)s is “%(old)s”, so this is not possible now.", lead=str(hit.lead), old=old)
    if hit.status not in before:
        return DomainError(
            "%(lead)s: the status can't change from “%(old)s” to “%(new)s”.",
            lead=str(hit.lead),
            old=old,
            new=labels.word(labels.ANY_HIT_STATUS, after),
        )
    if step == "start" and hit.opted_out:
        return DomainError(
            "%(lead)s is on the do-not-disturb list and must not be contacted. Close the hit instead.",
            lead=str(hit.lead),
        )
    if step == "start" and hit.holdout:
        return DomainError(
            "%(lead)s is in a holdout group and must not be contacted, so that the effect of contact can be"
            " measured.",
            lead=str(hit.lead),
        )
    if step == "reopen" and hit.lead.opted_out:
        return DomainError(
            "%(lead)s is on the do-not-disturb list; the hit can't be reopened until the customer is off"
            " the list.",
            lead=str(hit.lead),
        )
    if user is None or supervises(user):
        return None
    if hit.owner_id not in (None, user.id):
        return _conflict(hit, user)
    if step == "correct" and (hit.owner_id != user.id or _converted_on(hit) != clock.today()):
        return DomainError(
            "The owner can correct a conversion on the day it was recorded; after that only a manager can."
        )
    return None


def _conflict(hit: Hit, user: Any) -> DomainError:
    """Return the error for a hit whose customer somebody else has, or that somebody else has just changed."""
    customer = owners.of_hit(hit)
    if hit.status in OPEN and customer.owner is not None:
        return owners.taken(customer, user)
    if hit.owner is not None:
        return DomainError(
            "%(lead)s is assigned to %(owner)s.", lead=str(hit.lead), owner=hit.owner.get_full_name()
        )
    return DomainError(
        "%(lead)s has just been changed by somebody else; it is now “%(status)s”.",
        lead=str(hit.lead),
        status=labels.word(labels.ANY_HIT_STATUS, hit.status),
    )
