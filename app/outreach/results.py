"""Outcomes of contacts: recording each once, and taking the steps that follow from it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from app import labels
from app.access.scope import leads_visible_to
from app.errors import DomainError, Said
from app.extensions import db
from app.leads import suppression
from app.leads.reasons import mask_numbers
from app.lib import clock
from app.lib.spreadsheet import truncate
from app.models import Lead, Outreach, OutreachEvent, OutreachStatus, Suppression
from app.outreach import hit_steps, sandbox

Outcome = Literal[
    "delivered", "failed", "answered", "no_answer", "refused", "interested", "converted", "opt_out"
]
MAX_ITEMS = 1000
#: how far another system's clock may be ahead
AHEAD = dt.timedelta(minutes=10)
#: an outcome replaces the status only when its rank is higher
RANK = {
    status: place
    for place, status in enumerate(
        ("sending", "unknown", "sent", "failed", "delivered", "no_answer", "answered", "refused")
    )
} | {"interested": 8, "opt_out": 9, "converted": 10}


class Result(BaseModel):
    """One item of ``POST /api/v1/outreach/results``."""

    model_config = ConfigDict(extra="forbid")

    outreach_id: str = Field(min_length=1, max_length=64)
    outcome: Outcome
    at: AwareDatetime
    note: str = Field(default="", max_length=500)


def take(items: list[Any], user: Any) -> list[dict[str, Any]]:
    """Record results reported by a system of the bank, committing each. Return an answer for each in order.

    ``status`` is ``accepted``, ``duplicate`` (recorded before), ``unknown`` (no such contact in the system's
    scope) or ``invalid``, the last two with ``error``.
    """
    return [_take_one(item, user) for item in items]


def _take_one(item: Any, user: Any) -> dict[str, Any]:
    outreach_id = item.get("outreach_id") if isinstance(item, dict) else None
    answer = {"outreach_id": outreach_id if isinstance(outreach_id, str) else None}
    try:
        result = Result.model_validate(item)
        _check_moment(result.at)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer | {"status": "invalid", "error": f"{where}: {first['msg']}"}
    except DomainError as error:
        return answer | {"status": "invalid", "error": str(error)}
    row = _row(result, user)
    if row is None:
        db.session.rollback()
        return answer | {"status": "unknown", "error": "outreach_id: there is no such contact"}
    fresh = record(row, result.outcome, result.at, result.note, user.username)
    db.session.commit()
    return answer | {"status": "accepted" if fresh else "duplicate"}


def _check_moment(at: dt.datetime) -> None:
    try:
        late = at > clock.now() + AHEAD
        early = at.astimezone(dt.UTC).year < 2000
    except OverflowError:
        early, late = True, False
    if late or early:
        raise DomainError("at: must be a moment in the past")


def _row(result: Result, user: Any) -> Outreach | None:
    """Return the contact with the key, locked, if the system may see its lead.

    One that was put back because its gateway was busy or had not seen it may have reached the customer all
    the same: then the database marks it as reported. A failure says nothing new about it.
    """
    try:
        key = uuid.UUID(result.outreach_id)
    except ValueError:
        return None
    visible = Outreach.lead_id.in_(select(Lead.id).where(leads_visible_to(user)))
    sent = or_(Outreach.reserved_at.is_not(None), literal(result.outcome != "failed"))
    return db.session.scalar(select(Outreach).where(Outreach.key == key, visible, sent).with_for_update())


def record(row: Outreach, outcome: str, at: dt.datetime, note: str, source: str) -> bool:
    """Record an outcome of a contact and take the steps that follow. Does not commit.

    Return False when it was recorded before.
    """
    text = truncate(mask_numbers(note.replace("\x00", "").strip()), 500)
    event_id = db.session.scalar(
        insert(OutreachEvent)
        .values(outreach_id=row.id, outcome=outcome, at=at, note=text, source=source)
        .on_conflict_do_nothing(index_elements=["outreach_id", "outcome", "at"])
        .returning(OutreachEvent.id)
    )
    if event_id is None:
        return False
    if RANK[outcome] > RANK.get(row.status, 0):
        row.status, row.at, row.next_at = OutreachStatus(outcome), at, None
        row.sent_at = row.sent_at or at
        if text:
            row.note = Said.as_is(truncate(text, 300))
    if outcome == "opt_out":
        _opt_out(row, source)
    hit_steps.answered(row.hit_id, outcome, at, text)
    return True


def _opt_out(row: Outreach, source: str) -> None:
    """Put the customer on the do-not-disturb list, by person and by phone, without an end date."""
    lead = db.session.get_one(Lead, row.lead_id)
    today = clock.today()
    present = suppression.entries_of(db.session, lead, today)
    person = suppression.hash_target(lead.id_hash)
    phone = suppression.Target(lead.phone_masked, phone_index=lead.phone_index)
    for target, named in ((person, Suppression.id_hash), (phone, Suppression.phone_index)):
        if not any(getattr(entry, named.key) and entry.expires_on is None for entry in present):
            suppression.add(db.session, target, reason=labels.OPT_OUT_REASON, user=source, today=today)


def record_sandbox_outcomes(now: dt.datetime) -> int:
    """Record the sandbox's simulated outcomes that are due and commit. Return their number."""
    recorded = 0
    for message, answers in sandbox.due(now):
        row = db.session.get(Outreach, message.outreach_id, with_for_update=True)
        for at, outcome in answers if row is not None else ():
            recorded += record(row, outcome, at, "", sandbox.NAME)  # type: ignore[arg-type]
    db.session.commit()
    return recorded
