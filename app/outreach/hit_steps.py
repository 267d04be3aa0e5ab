"""What contacts and their outcomes mean for the work on a hit: steps of the product itself."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.hits import steps
from app.lib import clock
from app.models import CloseReason, Hit, HitStatus

log = logging.getLogger(__name__)


def contacted(hit_id: int, channel: str) -> None:
    """A contact went out: a waiting hit is being worked on from now on. Does not commit."""
    hit = db.session.get(Hit, hit_id, populate_existing=True)
    if hit is not None and hit.status == HitStatus.WAITING:
        _try(hit, lambda: steps.start(hit, None))


def answered(hit_id: int, outcome: str, at: dt.datetime, note: str) -> None:
    """What an outcome means for its hit; a step it does not allow is left out. Does not commit."""
    hit = db.session.get(Hit, hit_id, populate_existing=True)
    if hit is None or outcome in ("delivered", "failed", "no_answer", "answered"):
        return
    if hit.status == HitStatus.WAITING:
        contacted(hit_id, "")
    if outcome == "converted":
        _try(hit, lambda: steps.convert(hit, None, on=_day(hit, at), note=note))
    elif outcome == "interested" and hit.status == HitStatus.IN_PROGRESS:
        _try(hit, lambda: steps.follow_up(hit, None, note or "interested", clock.today()))
    elif outcome in ("refused", "opt_out") and hit.status in steps.OPEN:
        _try(hit, lambda: steps.close(hit, None, _refusal(), note=note))


def _day(hit: Hit, at: dt.datetime) -> dt.date:
    """The local date of an outcome, inside what the work on a hit takes: from the hit's date to today."""
    day = clock.today(at)
    return max(hit.hit_date, min(day, clock.today()))


def _refusal() -> CloseReason | None:
    """The first reason that is a refusal, while the bank's list has one; else the first of the list."""
    reasons = db.session.scalars(select(CloseReason).where(CloseReason.active).order_by(CloseReason.position))
    found = list(reasons)
    return next((each for each in found if each.refusal), found[0] if found else None)


def _try(hit: Hit, step: Callable[[], None]) -> None:
    """Take a step unless the hit does not allow it (any more): somebody else was faster, and that stands."""
    try:
        with db.session.begin_nested():
            step()
    except DomainError as error:
        log.info("hit %s: %s", hit.id, error)
