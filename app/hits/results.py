"""How a contact ended: the result codes of the managed list, and what follows from each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_babel import get_locale
from sqlalchemy import select

from app.errors import FieldError
from app.extensions import db
from app.hits import steps, together
from app.hits.together import LATER
from app.lib import clock
from app.lib.row_id import row_id
from app.models import ContactResult, Hit, HitStatus, ResultKind, Staff


@dataclass(frozen=True)
class Ending:
    """How a contact ended: what was discussed, the wanted date, and the local time of an agreed call."""

    result: ContactResult | None = None
    note: str = ""
    next_on: dt.date | None = None
    call_on: dt.date | None = None
    call_at: dt.time | None = None


def choices() -> list[ContactResult]:
    """Return the results that can be chosen, in their order."""
    query = select(ContactResult).where(ContactResult.active)
    return list(db.session.scalars(query.order_by(ContactResult.position, ContactResult.id)))


def result_of(key: str | None) -> ContactResult | None:
    """Return the result with the id in a form's field, or None."""
    result_id = row_id(key)
    return db.session.get(ContactResult, result_id) if result_id else None


def name_of(result: ContactResult) -> str:
    """Return the name of a result in the reader's language, if it has one."""
    return result.name_en if result.name_en and str(get_locale()) == "en" else result.name


def suggested(result: ContactResult | None) -> dt.date | None:
    """Return the date of the next contact that a result suggests, None for one that ends the work."""
    if result is not None and result.kind != ResultKind.NEXT:
        return None
    return clock.today() + dt.timedelta(days=result.next_days if result else LATER)


def is_allowed(hit: Hit, user: Any) -> bool:
    """Whether the user could record a result of a contact for the hit now."""
    return steps.is_allowed(hit, "start" if hit.status == HitStatus.WAITING else "follow_up", user)


def record(hit: Hit, user: Staff, ending: Ending) -> None:
    """Record how a contact ended, on the hit or, if that ends the work, on every open hit of the customer.

    Starts a waiting hit. Does not commit. Raises FieldError for what is missing, DomainError when the hit
    does not allow it.
    """
    result = ending.result
    if result is not None and not result.active:
        raise FieldError("result", "Choose a result.")
    if result is not None and result.kind == ResultKind.CLOSE:
        steps.begin(hit, user)
        together.close(hit.lead_id, user, result.close_reason, ending.note, suppress=True, result=result)
        return
    call_back_at = _agreed(ending) if result is not None and result.kind == ResultKind.CALL_BACK else None
    next_on = clock.today(call_back_at) if call_back_at else ending.next_on or suggested(result)
    steps.begin(hit, user)
    steps.follow_up(hit, user, ending.note, next_on, result=result, call_back_at=call_back_at)


def _agreed(ending: Ending) -> dt.datetime:
    """Return the moment of an agreed call. Raises FieldError when it is missing or over."""
    moment, today = agreed_at(ending), clock.today()
    if moment is None:
        missing = "call_on" if ending.call_on is None else "call_at"
        raise FieldError(missing, "State the day and the time at which the customer wants to be called.")
    if clock.today(moment) < today:
        raise FieldError("call_on", "This day is over.")
    if moment < clock.now():
        raise FieldError("call_at", "This time is over.")
    if clock.today(moment) > today + dt.timedelta(days=steps.MAX_DAYS_AHEAD):
        raise FieldError("call_on", "Choose a day from today to one year ahead.")
    return moment


def agreed_at(ending: Ending) -> dt.datetime | None:
    """Return the moment at which the customer wants to be called, None when a part of it is missing."""
    if ending.call_on is None or ending.call_at is None:
        return None
    return dt.datetime.combine(ending.call_on, ending.call_at, current_app.config["SETTINGS"].zone)
