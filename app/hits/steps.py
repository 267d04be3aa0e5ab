"""The steps in the work on a hit: the only way its status and its owner change.

Each function takes one step of one hit in the transaction of who calls, and keeps it as a HitEvent. ``by``
is the person, or None for the product itself. Every one raises DomainError, and changes nothing, for a
step that the hit's status does not allow, for a hit of somebody else, and when somebody was faster.
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
from app.lib.row_id import row_id
from app.models import CloseReason, Hit, HitEvent, HitStatus, Lead, Staff

SYSTEM = "system"
MAX_NOTE = 1000
#: how far ahead the next date of a hit may lie
MAX_DAYS_AHEAD = 366
#: the largest amount of a conversion, in yuan
MAX_AMOUNT = Decimal("999999999999.99")
OPEN = (HitStatus.WAITING, HitStatus.IN_PROGRESS)


@dataclass(frozen=True)
class Step:
    """From which statuses a step can be taken, and which status it leads to (None: the same)."""

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
    """The moment the local date begins."""
    return dt.datetime.combine(day, dt.time(), current_app.config["SETTINGS"].zone)


def allows(hit: Hit, step: str, by: Any) -> bool:
    """Whether the person could take the step now."""
    return hit.status in _before(hit, step, by) and _refusal(hit, step, by) is None


def claim(hit: Hit, by: Staff) -> None:
    """认领: a waiting hit that is nobody's becomes the person's."""
    if hit.owner_id is not None:
        raise _taken(hit)
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days)
    _take(hit, "claim", by, owner=by, next_on=next_on)


def assign(hit: Hit, to: Staff, by: Staff | None) -> None:
    """分配: an open hit becomes somebody's who works hits and sees the lead. Only supervisors hand out."""
    if by is not None and not supervises(by):
        raise DomainError("Only a manager hands out hits.")
    if not reachable(hit, to):
        raise DomainError(
            "%(person)s can't work on %(lead)s: another branch, another role, or no longer active.",
            person=to.get_full_name(),
            lead=str(hit.lead),
        )
    if hit.owner_id == to.id:
        raise DomainError("%(lead)s is already with %(owner)s.", lead=str(hit.lead), owner=to.get_full_name())
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days)
    _take(hit, "assign", by, owner=to, next_on=next_on)


def start(hit: Hit, by: Staff | None) -> None:
    """单独联系: a waiting hit is being worked on from now on; nobody's becomes the person's."""
    _take(hit, "start", by, next_on=hit.next_on or clock.today())


def follow_up(hit: Hit, by: Staff | None, note: str, next_on: dt.date | None) -> None:
    """跟进进度: what was talked about, and when to come back. Raises FieldError for note and date."""
    if not note.strip():
        raise FieldError("note", "Write what was talked about or tried.")
    day = clock.today()
    if next_on is None or not day <= next_on <= day + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise FieldError("next_on", "Choose a date from today on, at most a year ahead.")
    _begin(hit, by)
    _take(hit, "follow_up", by, note=note, next_on=next_on)


def convert(
    hit: Hit, by: Staff | None, on: dt.date | None = None, amount: Decimal | None = None, note: str = ""
) -> None:
    """营销已转化 on a date (default today), for an amount in yuan if known. Raises FieldError for both.

    A customer who is held out may have come on their own: such a hit converts from waiting, and that is
    how the effect of contact is known.
    """
    moment = _moment(hit, on or clock.today())
    _check_amount(amount)
    _begin(hit, by)
    facts = "" if amount is None else yuan(amount)
    _take(hit, "convert", by, facts=facts, note=note, converted_at=moment, amount=amount, next_on=None)


def correct(hit: Hit, by: Staff, on: dt.date, amount: Decimal | None, note: str) -> None:
    """Put date and amount of a conversion right; ``note`` says why, old and new values stay in the history.

    Its owner may on the local day it was marked, managers always. Raises FieldError for all three.
    """
    if not note.strip():
        raise FieldError("note", "Say why the conversion is corrected.")
    moment = _moment(hit, on)
    _check_amount(amount)
    # Two corrections at once: the second one's old values are what the first one wrote.
    db.session.refresh(hit, with_for_update=True)
    was = hit.converted_at.astimezone(moment.tzinfo).date() if hit.converted_at else None
    if (was, hit.amount) == (on, amount):
        raise FieldError("amount", "Date and amount are what they were.")
    if was == on:
        moment = hit.converted_at or moment
    facts = f"{was or '—'} → {on} · {yuan(hit.amount)} → {yuan(amount)}"
    values: dict[str, Any] = {"converted_at": moment, "amount": amount, "owner": hit.owner}
    _take(hit, "correct", by, facts=facts, note=note, **values)


def yuan(amount: Decimal | None) -> str:
    """An amount as the history keeps it, in every language."""
    return "—" if amount is None else f"¥{amount:,.2f}"


def close(
    hit: Hit, by: Staff | None, reason: CloseReason | None, note: str = "", *, leave_alone: bool = False
) -> None:
    """已联系失效 for a reason of the managed list. Raises FieldError when there is none.

    ``leave_alone``: when the reason is a refusal, the lead's person goes on the do-not-disturb list as well.
    """
    if reason is None or not reason.active:
        raise FieldError("reason", "Choose why the hit is closed.")
    said = f"{reason.name}：{note.strip()}" if note.strip() else reason.name
    listed = leave_alone and reason.refusal
    if listed:
        # Before the hit is locked: who holds the list changes waiting hits.
        suppression.hold(db.session())
    _take(hit, "close", by, note=said, close_reason_id=reason.id, next_on=None)
    if listed:
        who = by.username if by else SYSTEM
        why = mask_numbers(said)
        suppression.add_lead(db.session(), hit.lead, reason=why, who=who, today=clock.today())


def reopen(hit: Hit, by: Staff | None, note: str = "") -> None:
    """再次激活: a closed hit waits again, with its owner while that person can still work on it.

    Refused while the lead is on the do-not-disturb list; the hit's mark follows that list again.
    """
    keeps = hit.owner is not None and reachable(hit, hit.owner)
    next_on = clock.today() + dt.timedelta(days=work_setting().respond_days) if keeps else None
    # Who reopens what was nobody's did not claim it.
    owner = {} if keeps else {"owner": None}
    values: dict[str, Any] = {"next_on": next_on, "close_reason_id": None, "opted_out": False} | owner
    _take(hit, "reopen", by, note=note, **values)


def steps_of(hit: Hit) -> list[HitEvent]:
    """Every step of a hit, newest first."""
    query = select(HitEvent).where(HitEvent.hit_id == hit.id).order_by(HitEvent.id.desc())
    return list(db.session.scalars(query))


def close_reasons() -> list[CloseReason]:
    """The reasons to choose from, in their order."""
    query = select(CloseReason).where(CloseReason.active).order_by(CloseReason.position, CloseReason.id)
    return list(db.session.scalars(query))


def reason_of(key: str | None) -> CloseReason | None:
    """The reason that a form's choice means, None for anything else."""
    known = row_id(key)
    return db.session.get(CloseReason, known) if known else None


def reachable(hit: Hit, person: Staff) -> bool:
    """Whether the person works hits, is active and sees the hit's lead."""
    if not person.active or not works_hits(person):
        return False
    return bool(db.session.scalar(select(Lead.id).where(Lead.id == hit.lead_id, leads_visible_to(person))))


def _begin(hit: Hit, by: Staff | None) -> None:
    """Who works on a waiting hit of their own has begun with it."""
    if _begins(hit, by):
        start(hit, by)


def _begins(hit: Hit, by: Any) -> bool:
    own = by is not None and hit.owner_id == by.id and hit.status == HitStatus.WAITING
    return own and _refusal(hit, "start", by) is None


def _moment(hit: Hit, day: dt.date) -> dt.datetime:
    """When a hit was converted, known to the day. Raises FieldError for a day that can't be."""
    now = clock.now()
    if not hit.hit_date <= day <= clock.today(now):
        raise FieldError(
            "on", "The date lies between the hit (%(first)s) and today.", first=str(hit.hit_date)
        )
    zone = current_app.config["SETTINGS"].zone
    return now.astimezone(zone) if day == clock.today(now) else dt.datetime.combine(day, dt.time(12), zone)


def _check_amount(amount: Decimal | None) -> None:
    if amount is None:
        return
    if not (amount.is_finite() and 0 <= amount <= MAX_AMOUNT and amount == round(amount, 2)):
        raise FieldError(
            "amount", "An amount is a number of yuan from 0 to %(most)s, to the cent.", most=f"{MAX_AMOUNT:,}"
        )


def _marked_on(hit: Hit) -> dt.date | None:
    """The local day on which the hit was marked converted, None when no step says so."""
    query = select(func.max(HitEvent.at)).where(HitEvent.hit_id == hit.id, HitEvent.kind == "convert")
    at = db.session.scalar(query)
    return clock.today(at) if at else None


def _take(hit: Hit, step: str, by: Staff | None, *, facts: str = "", note: str = "", **values: Any) -> None:
    """Change the hit if it still is as it was seen, and keep the step; ``facts`` go before the note."""
    refusal = _refusal(hit, step, by)
    if refusal:
        raise refusal
    kept = mask_numbers(note.strip())
    if len(kept) > MAX_NOTE:
        raise FieldError("note", "A note has at most %(most)s characters.", most=MAX_NOTE)
    owner = values.pop("owner", hit.owner or by)
    if (owner.id if owner else None) != hit.owner_id:
        values |= {"owner_id": owner.id if owner else None, "claimed_at": func.now() if owner else None}
    status = STEPS[step].after or hit.status
    event = _event_of(hit, step) | {
        "to_status": status,
        "owner": owner.username if owner else None,
        "person": by.username if by else SYSTEM,
    }
    as_seen = (Hit.id == hit.id, Hit.status == hit.status, Hit.owner_id.is_not_distinct_from(hit.owner_id))
    changed = db.session.execute(
        update(Hit).where(*as_seen).values(status=status, escalated_at=None, updated_at=func.now(), **values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(hit)
    if not changed.rowcount:  # type: ignore[attr-defined]
        raise _taken(hit)
    db.session.add(
        HitEvent(note=" · ".join(filter(None, (facts, kept))), next_on=values.get("next_on"), **event)
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


def _before(hit: Hit, step: str, by: Any) -> tuple[str, ...]:
    """From which statuses the person can take the step of the hit."""
    alone = step == "convert" and hit.holdout
    begins = step in ("follow_up", "convert") and _begins(hit, by)
    return STEPS[step].before + ((HitStatus.WAITING,) if alone or begins else ())


def _refusal(hit: Hit, step: str, by: Any) -> DomainError | None:
    """Why the person can't take the step, None when they can."""
    wanted = STEPS[step]
    old, before = labels.word(labels.HIT_STATUS, hit.status), _before(hit, step, by)
    if hit.status not in before and wanted.after is None:
        return DomainError("%(lead)s is “%(old)s”: this can't be done now.", lead=str(hit.lead), old=old)
    if hit.status not in before:
        return DomainError(
            "%(lead)s: a hit that is “%(old)s” can't become “%(new)s”.",
            lead=str(hit.lead),
            old=old,
            new=labels.word(labels.HIT_STATUS, wanted.after),
        )
    if step in ("claim", "assign", "start") and hit.opted_out:
        return DomainError(
            "%(lead)s is on the do-not-disturb list and is not contacted. Close the hit instead.",
            lead=str(hit.lead),
        )
    if step in ("claim", "assign", "start") and hit.holdout:
        return DomainError(
            "%(lead)s is in the rule's holdout group and is not contacted: what happens without contact"
            " shows what contact is worth.",
            lead=str(hit.lead),
        )
    if step == "reopen" and hit.lead.opted_out:
        return DomainError(
            "%(lead)s is on the do-not-disturb list: the hit stays closed while the customer is on it.",
            lead=str(hit.lead),
        )
    if by is None or supervises(by):
        return None
    if hit.owner_id not in (None, by.id):
        return _taken(hit)
    if step == "correct" and (hit.owner_id != by.id or _marked_on(hit) != clock.today()):
        return DomainError(
            "A conversion is corrected by its owner on the day it was marked, later by a manager."
        )
    return None


def _taken(hit: Hit) -> DomainError:
    if hit.owner is None:
        return DomainError(
            "%(lead)s was changed by somebody else just now; it is “%(status)s”.",
            lead=str(hit.lead),
            status=labels.word(labels.HIT_STATUS, hit.status),
        )
    return DomainError("%(lead)s is with %(owner)s.", lead=str(hit.lead), owner=hit.owner.get_full_name())
