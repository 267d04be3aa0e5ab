"""Taking back what somebody has just recorded on a customer: hits, owner, call-back and do not disturb.

The steps of one moment by one person on a customer's hits belong together. Nothing of the history is deleted:
a further step says what was taken back, and contacts taken back don't count as contacts.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from sqlalchemy import ColumnElement, func, select, text

from app.access.people import name_of
from app.errors import DomainError
from app.extensions import db
from app.hits import owner as owners
from app.hits.told import told_since
from app.leads import suppression
from app.lib import clock
from app.models import Customer, Hit, HitEvent, Staff, Suppression

#: for so long a step can be taken back
MINUTES = 10

_HIT = (
    "status",
    "owner_id",
    "claimed_at",
    "next_on",
    "converted_at",
    "amount",
    "product_id",
    "close_reason_id",
)
_CUSTOMER = ("owner_id", "owned_since", "next_on", "call_back_at", "escalated_at", "asked_by_id", "asked_at")
# Triggers give an open hit the owner of its customer; a waiting one follows the do-not-disturb list.
_RESTORE_HIT = text("""
    UPDATE hit h SET status = b.status, converted_at = b.converted_at, amount = b.amount,
        product_id = b.product_id, close_reason_id = b.close_reason_id, next_on = b.next_on,
        owner_id = CASE WHEN b.status IN ('waiting', 'in_progress') THEN h.owner_id ELSE b.owner_id END,
        claimed_at = CASE WHEN b.status IN ('waiting', 'in_progress') THEN h.claimed_at ELSE b.claimed_at END,
        opted_out = CASE WHEN b.status = 'waiting' THEN l.opted_out ELSE h.opted_out END,
        updated_at = app_now(now())
    FROM jsonb_populate_record(CAST(NULL AS hit), CAST(:before AS jsonb)) b, lead l
    WHERE h.id = :id AND l.id = h.lead_id
""")
_RESTORE_OWNER = text("""
    UPDATE customer c SET owner_id = b.owner_id, owned_since = b.owned_since, next_on = b.next_on
    FROM jsonb_populate_record(CAST(NULL AS customer), CAST(:before AS jsonb)) b WHERE c.id = :id
""")
# A trigger empties these when the owner changes.
_RESTORE_WISHES = text("""
    UPDATE customer c SET call_back_at = b.call_back_at, escalated_at = b.escalated_at,
        asked_by_id = b.asked_by_id, asked_at = b.asked_at
    FROM jsonb_populate_record(CAST(NULL AS customer), CAST(:before AS jsonb)) b WHERE c.id = :id
""")


def kept(hit: Hit) -> Any:
    """Return the values of a hit and its customer that a step can change, as its event keeps them."""
    values = (
        func.jsonb_build_object(*(part for name in names for part in (name, getattr(model, name))))
        for model, names in ((Hit, _HIT), (Customer, _CUSTOMER))
    )
    of_hit, of_customer = values
    query = select(func.jsonb_build_object("hit", of_hit, "customer", of_customer))
    return db.session.scalar(
        query.join_from(Hit, Customer, Customer.id == Hit.lead_id).where(Hit.id == hit.id)
    )


def newest(hit: Hit, user: Staff) -> HitEvent | None:
    """Return the user's newest step on a hit if it is that of now, with which it is taken back."""
    return _newest(HitEvent.hit_id == hit.id, user)


def newest_with(customer: Customer, user: Staff) -> HitEvent | None:
    """Return the user's newest step on any hit of a customer, as ``newest`` does."""
    return _newest(_of_lead(customer.id), user)


def _newest(criterion: ColumnElement[bool], user: Staff) -> HitEvent | None:
    event = db.session.scalar(select(HitEvent).where(criterion).order_by(HitEvent.id.desc()).limit(1))
    return event if event is not None and event.person == user.username and event.before else None


def take_back(hit: Hit, event_id: int | None, user: Staff) -> HitEvent:
    """Take back a step on a hit with all that was recorded at once. Does not commit. Return the step.

    Raises DomainError when it is not the user's, too old, when anything happened since, or when a push has
    told another system of it.
    """
    event = db.session.get(HitEvent, event_id) if event_id else None
    if event is None or event.hit_id != hit.id or event.person != user.username or event.undoes_at:
        raise DomainError("There is nothing of yours to take back here.")
    if clock.now() - event.at > dt.timedelta(minutes=MINUTES):
        raise DomainError(
            "%(lead)s: this was recorded more than %(n)s minutes ago and can't be taken back any more.",
            lead=str(hit.lead),
            n=MINUTES,
        )
    entries = _entries(hit, event)
    if entries:
        # Before the hits are locked: whoever holds the list lock changes waiting hits.
        suppression.lock_list(db.session())
    together = _together(hit, event)
    owners.locked(hit.lead_id, *(each.hit_id for each in together))
    _check_unchanged(hit, together)
    _check_untold(hit, together, everything=bool(entries))
    for entry in entries:
        suppression.remove(
            db.session(), entry, reason=suppression.TAKEN_BACK, user=user.username, today=clock.today()
        )
    _restore(hit.lead_id, together)
    _record(together, user)
    return event


def _together(hit: Hit, event: HitEvent) -> list[HitEvent]:
    """Return the steps that were recorded at once with one, the oldest first."""
    query = select(HitEvent).where(
        _of_lead(hit.lead_id), HitEvent.at == event.at, HitEvent.person == event.person
    )
    return list(db.session.scalars(query.order_by(HitEvent.id)))


def _entries(hit: Hit, event: HitEvent) -> list[Suppression]:
    """Return the entries of the do-not-disturb list that a step added and that are still there."""
    added = (Suppression.id_hash == hit.lead.id_hash, Suppression.created_at == event.at)
    mine = (Suppression.created_by == event.person, Suppression.removed_at.is_(None))
    return list(db.session.scalars(select(Suppression).where(*added, *mine)))


def _check_unchanged(hit: Hit, together: list[HitEvent]) -> None:
    if db.session.scalar(
        select(HitEvent.id).where(HitEvent.undoes_at == together[-1].at, _of_lead(hit.lead_id)).limit(1)
    ):
        raise DomainError("%(lead)s: this has already been taken back.", lead=str(hit.lead))
    query = (
        select(HitEvent).where(_of_lead(hit.lead_id), HitEvent.stands()).order_by(HitEvent.id.desc()).limit(1)
    )
    later = db.session.scalar(query)
    if later is None or later.id == together[-1].id:
        return
    raise DomainError(
        "%(lead)s was changed by %(person)s since, so this can't be taken back.",
        lead=str(hit.lead),
        person=name_of(later.person),
    )


def _of_lead(lead_id: int) -> ColumnElement[bool]:
    """Return the criterion for the steps on the hits of a customer."""
    return HitEvent.hit_id.in_(select(Hit.id).where(Hit.lead_id == lead_id))


def _check_untold(hit: Hit, together: list[HitEvent], *, everything: bool) -> None:
    """Raise DomainError when another system knows what some steps changed: statuses, or do not disturb."""
    hits = {event.hit_id for event in together if event.from_status != event.to_status}
    if everything:
        hits.update(db.session.scalars(select(Hit.id).where(Hit.lead_id == hit.lead_id)))
    target = told_since(together[0].at, hits)
    if target is not None:
        raise DomainError(
            "%(lead)s: “%(target)s” has been told of this by a push, so it can't be taken back any more. A"
            " closed hit can be reactivated.",
            lead=str(hit.lead),
            target=target.name,
        )


def _restore(lead_id: int, together: list[HitEvent]) -> None:
    """Restore hits and customer as they were before the first of some steps."""
    first: dict[int, dict[str, Any]] = {}
    for event in together:
        if event.before:
            first.setdefault(event.hit_id, event.before)
    for hit_id, before in first.items():
        db.session.execute(_RESTORE_HIT, {"id": hit_id, "before": json.dumps(before["hit"])})
    customer = json.dumps(next(iter(first.values()))["customer"])
    for statement in (_RESTORE_OWNER, _RESTORE_WISHES):
        db.session.execute(statement, {"id": lead_id, "before": customer})
    db.session.expire_all()


def _record(together: list[HitEvent], user: Staff) -> None:
    """Record on each hit that the steps were taken back; the note is the code of the last one."""
    last = together[-1]
    undone = {"kind": "undo", "note": last.kind, "undoes_at": last.at, "person": user.username}
    left = {event.hit_id: event.to_status for event in together}
    for hit_id, status in left.items():
        hit = db.session.get_one(Hit, hit_id)
        owner = hit.owner.username if hit.owner else None
        moved = {"from_status": status, "to_status": hit.status, "owner": owner}
        db.session.add(HitEvent(hit_id=hit_id, result_id=last.result_id, **moved, **undone))
    db.session.flush()
