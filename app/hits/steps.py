"""The steps in the work on a hit: the only way its status and its owner change.

Each function takes one step of one hit in the caller's transaction and records it as a HitEvent. ``user`` is
None for steps of the product itself. Every function raises DomainError, and changes nothing, when the hit's
status does not allow the step, when somebody else owns the hit, or when somebody changed it first.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import func, select, update

from app import labels
from app.access.scope import leads_visible_to, supervises, works_hits
from app.errors import DomainError, FieldError
from app.extensions import db
from app.hits.settings import work_setting
from app.leads import suppression
from app.leads.reasons import mask_numbers
from app.lib import clock
from app.lib.amounts import yuan
from app.lib.row_id import row_id
from app.models import CloseReason, Hit, HitEvent, HitStatus, Lead, Product, Staff

SYSTEM = "system"
MAX_NOTE = 1000
#: how far ahead the next follow-up of a hit may lie
MAX_DAYS_AHEAD = 366
#: the largest amount of a conversion, in yuan
MAX_AMOUNT = Decimal("999999999999.99")
OPEN = (HitStatus.WAITING, HitStatus.IN_PROGRESS)


@dataclass(frozen=True)
class Step:
    """The statuses in which a step can be taken, and the status it leads to (None: no change)."""

    before: tuple[str, ...]
    after: str | None = None


STEPS = {
    "claim": Step((HitStatus.WAITING,)),
    "assign": Step(OPEN),
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


def claim(hit: Hit, user: Staff) -> None:
    """认领: make the user the owner of an unowned waiting hit."""
    if hit.owner_id is not None:
        raise _conflict(hit)
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days)
    _take(hit, "claim", user, owner=user, next_on=next_on)


def assign(hit: Hit, assignee: Staff, user: Staff | None) -> None:
    """分配: make somebody who works hits and sees the lead the owner of an open hit. For supervisors only."""
    if user is not None and not supervises(user):
        raise DomainError("Only managers can assign hits.")
    if not is_assignable(hit, assignee):
        raise DomainError(
            "%(person)s can't work on %(lead)s: wrong branch, wrong role or inactive account.",
            person=assignee.get_full_name(),
            lead=str(hit.lead),
        )
    if hit.owner_id == assignee.id:
        raise DomainError(
            "%(lead)s is already assigned to %(owner)s.", lead=str(hit.lead), owner=assignee.get_full_name()
        )
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days)
    _take(hit, "assign", user, owner=assignee, next_on=next_on)


def start(hit: Hit, user: Staff | None) -> None:
    """单独联系: begin work on a waiting hit. An unowned hit is assigned to the user."""
    _take(hit, "start", user, next_on=hit.next_on or clock.today())


def follow_up(hit: Hit, user: Staff | None, note: str, next_on: dt.date | None) -> None:
    """跟进进度: record a note and the date of the next follow-up. Raises FieldError for either."""
    if not note.strip():
        raise FieldError("note", "Describe the conversation or the attempted contact.")
    day = clock.today()
    if next_on is None or not day <= next_on <= day + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise FieldError("next_on", "Choose a date from today to one year ahead.")
    _start_own(hit, user)
    _take(hit, "follow_up", user, note=note, next_on=next_on)


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
    values = {"converted_at": moment, "amount": amount, "product_id": product.id if product else None}
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
    values: dict[str, Any] = {"converted_at": moment, "amount": amount, "owner": hit.owner}
    values["product_id"] = named.id if named else None
    _take(hit, "correct", user, facts=facts, note=note, **values)


def close(
    hit: Hit, user: Staff | None, reason: CloseReason | None, note: str = "", *, suppress: bool = False
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
    _take(hit, "close", user, note=text, close_reason_id=reason.id, next_on=None)
    if listed:
        who = user.username if user else SYSTEM
        why = mask_numbers(text)
        suppression.add_lead(db.session(), hit.lead, reason=why, user=who, today=clock.today())


def reopen(hit: Hit, user: Staff | None, note: str = "") -> None:
    """再次激活: make a closed hit wait again, with its owner if they can still work on it.

    Refused while the lead is on the do-not-disturb list; the hit's opt-out mark follows that list again.
    """
    keeps = hit.owner is not None and is_assignable(hit, hit.owner)
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days) if keeps else None
    # Reopening an unowned hit does not claim it.
    owner = {} if keeps else {"owner": None}
    values: dict[str, Any] = {"next_on": next_on, "close_reason_id": None, "opted_out": False} | owner
    _take(hit, "reopen", user, note=note, **values)


def steps_of(hit: Hit) -> list[HitEvent]:
    """Return every step of a hit, newest first."""
    query = select(HitEvent).where(HitEvent.hit_id == hit.id).order_by(HitEvent.id.desc())
    return list(db.session.scalars(query))


def close_reasons() -> list[CloseReason]:
    """Return the active close reasons in their order."""
    query = select(CloseReason).where(CloseReason.active).order_by(CloseReason.position, CloseReason.id)
    return list(db.session.scalars(query))


def reason_of(key: str | None) -> CloseReason | None:
    """Return the close reason with the id in a form's field, or None."""
    reason_id = row_id(key)
    return db.session.get(CloseReason, reason_id) if reason_id else None


def is_assignable(hit: Hit, assignee: Staff) -> bool:
    """Whether the person works hits, is active and sees the hit's lead."""
    if not assignee.active or not works_hits(assignee):
        return False
    return bool(db.session.scalar(select(Lead.id).where(Lead.id == hit.lead_id, leads_visible_to(assignee))))


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
    at = db.session.scalar(query)
    return clock.today(at) if at else None


def _take(hit: Hit, step: str, user: Staff | None, *, facts: str = "", note: str = "", **values: Any) -> None:
    """Change the hit unless somebody changed it first, and record the step with ``facts`` before the note."""
    refusal = _refusal(hit, step, user)
    if refusal:
        raise refusal
    masked = mask_numbers(note.strip())
    if len(masked) > MAX_NOTE:
        raise FieldError("note", "A note can have at most %(most)s characters.", most=MAX_NOTE)
    owner = values.pop("owner", hit.owner or user)
    if (owner.id if owner else None) != hit.owner_id:
        values |= {"owner_id": owner.id if owner else None, "claimed_at": func.now() if owner else None}
    status = STEPS[step].after or hit.status
    event = _event_of(hit, step) | {
        "to_status": status,
        "owner": owner.username if owner else None,
        "person": user.username if user else SYSTEM,
    }
    unchanged = (Hit.id == hit.id, Hit.status == hit.status, Hit.owner_id.is_not_distinct_from(hit.owner_id))
    updated = db.session.execute(
        update(Hit)
        .where(*unchanged)
        .values(status=status, escalated_at=None, updated_at=func.now(), **values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(hit)
    if not updated.rowcount:  # type: ignore[attr-defined]
        raise _conflict(hit)
    db.session.add(
        HitEvent(note=" · ".join(filter(None, (facts, masked))), next_on=values.get("next_on"), **event)
    )
    db.session.flush()


def _event_of(hit: Hit, step: str) -> dict[str, Any]:
    return {
        "hit_id": hit.id,
        "kind": step,
        "from_status": hit.status,
        "to_status": hit.status,
        "owner": hit.owner.username if hit.owner else None,
    }


def _statuses_before(hit: Hit, step: str, user: Any) -> tuple[str, ...]:
    """Return the statuses in which the user can take the step on the hit."""
    uncontacted = step == "convert" and hit.holdout
    starts = step in ("follow_up", "convert") and _can_start_own(hit, user)
    return STEPS[step].before + ((HitStatus.WAITING,) if uncontacted or starts else ())


def _refusal(hit: Hit, step: str, user: Any) -> DomainError | None:
    """Return why the user can't take the step, None when they can."""
    after = STEPS[step].after
    old, before = labels.word(labels.HIT_STATUS, hit.status), _statuses_before(hit, step, user)
    if hit.status not in before and after is None:
        return DomainError("%(lead)s is “%(old)s”, so this is not possible now.", lead=str(hit.lead), old=old)
    if hit.status not in before:
        return DomainError(
            "%(lead)s: the status can't change from “%(old)s” to “%(new)s”.",
            lead=str(hit.lead),
            old=old,
            new=labels.word(labels.HIT_STATUS, after),
        )
    if step in ("claim", "assign", "start") and hit.opted_out:
        return DomainError(
            "%(lead)s is on the do-not-disturb list and must not be contacted. Close the hit instead.",
            lead=str(hit.lead),
        )
    if step in ("claim", "assign", "start") and hit.holdout:
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
        return _conflict(hit)
    if step == "correct" and (hit.owner_id != user.id or _converted_on(hit) != clock.today()):
        return DomainError(
            "The owner can correct a conversion on the day it was recorded; after that only a manager can."
        )
    return None


def _conflict(hit: Hit) -> DomainError:
    """Return the error for a hit that somebody else owns or has just changed."""
    if hit.owner is None:
        return DomainError(
            "%(lead)s has just been changed by somebody else; it is now “%(status)s”.",
            lead=str(hit.lead),
            status=labels.word(labels.HIT_STATUS, hit.status),
        )
    return DomainError(
        "%(lead)s is assigned to %(owner)s.", lead=str(hit.lead), owner=hit.owner.get_full_name()
    )
