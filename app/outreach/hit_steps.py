"""Steps on hits that the product takes itself after contacts and their outcomes."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.hits import steps
from app.hits.owner import OPEN
from app.lib import clock
from app.models import CloseReason, Hit, HitStatus

log = logging.getLogger(__name__)


def waiting(hit_ids: Sequence[int]) -> list[int]:
    """Return those of the hits that wait for their first step, in order."""
    if not hit_ids:
        return []
    query = select(Hit.id).where(Hit.id.in_(hit_ids), Hit.status == HitStatus.WAITING)
    return list(db.session.scalars(query.order_by(Hit.id)))


def contacted(hit_id: int | None) -> None:
    """Start the waiting hit, if there is one, after a contact was sent. Does not commit."""
    hit = _hit(hit_id)
    if hit is not None and hit.status == HitStatus.WAITING:
        _try(hit, lambda: steps.start(hit, None))


def answered(hit_id: int | None, outcome: str, at: dt.datetime, note: str) -> None:
    """Take the hit's step that follows from an outcome, if there is one that allows it. Does not commit."""
    hit = _hit(hit_id)
    if hit is None or outcome in ("delivered", "failed", "no_answer", "answered"):
        return
    if hit.status == HitStatus.WAITING:
        contacted(hit_id)
    if outcome == "converted":
        _try(hit, lambda: steps.convert(hit, None, on=_day(hit, at), note=note))
    elif outcome == "interested" and hit.status == HitStatus.IN_PROGRESS:
        _try(hit, lambda: steps.follow_up(hit, None, note or "interested", clock.today()))
    elif outcome in ("refused", "opt_out") and hit.status in OPEN:
        _try(hit, lambda: steps.close(hit, None, _refusal(), note=note))


def _hit(hit_id: int | None) -> Hit | None:
    return None if hit_id is None else db.session.get(Hit, hit_id, populate_existing=True)


def _day(hit: Hit, at: dt.datetime) -> dt.date:
    """Return the local date of an outcome, limited to the range from the hit's date to today."""
    day = clock.today(at)
    return max(hit.hit_date, min(day, clock.today()))


def _refusal() -> CloseReason | None:
    """Return the first close reason that is a refusal, or the first of all if none is."""
    reasons = db.session.scalars(select(CloseReason).where(CloseReason.active).order_by(CloseReason.position))
    active = list(reasons)
    return next((each for each in active if each.refusal), active[0] if active else None)


def _try(hit: Hit, step: Callable[[], None]) -> None:
    """Take a step, unless the hit no longer allows it because somebody else changed it first."""
    try:
        with db.session.begin_nested():
            step()
    except DomainError as error:
        log.info("hit %s: %s", hit.id, error)
