"""When a batch starts: at once, or at a chosen moment inside contact hours; and its state until then."""

from __future__ import annotations

import datetime as dt

from flask import current_app
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, false, func, not_, select

from app import labels
from app.errors import N_, DomainError, FieldError
from app.extensions import db
from app.lib import clock
from app.models import Outreach, OutreachBatch, OutreachBatchStatus
from app.outreach import settings
from app.outreach.compliance import next_open
from app.schedules import calendar

#: how far ahead a batch may start
MAX_DAYS = 90
#: what a confirmed batch waits for: the moment that somebody chose, or contact hours
CHOSEN, HOURS = "time", "hours"
_OVER = (OutreachBatchStatus.DONE, OutreachBatchStatus.CANCELLED, OutreachBatchStatus.FAILED)


class NotThen(FieldError):
    """A moment at which no batch may start. ``proposed`` is the next one at which one may."""

    def __init__(self, proposed: dt.datetime, message: str, **values: str) -> None:
        self.proposed = proposed
        super().__init__("start", message, next=f"{proposed:%Y-%m-%d %H:%M}", **values)


def moment_of(day: dt.date, time: dt.time) -> dt.datetime:
    """Return the moment of a local date and time."""
    return dt.datetime.combine(day, time, current_app.config["SETTINGS"].zone)


def check(moment: dt.datetime) -> None:
    """Raise NotThen for a moment that is over, too far ahead, or outside contact hours."""
    now = labels.local(clock.now()).replace(second=0, microsecond=0)
    chosen, rules = labels.local(moment), settings.current()
    if chosen < now:
        proposed = _next(now + dt.timedelta(minutes=1))
        raise NotThen(proposed, N_("This moment is over. The next one allowed is %(next)s."))
    if chosen > now + dt.timedelta(days=MAX_DAYS):
        raise NotThen(
            suggested(),
            N_("A batch can start at most %(n)s days ahead: for example at %(next)s."),
            n=str(MAX_DAYS),
        )
    proposed = _next(chosen)
    if proposed != chosen:
        message = N_(
            "Customers may be contacted from %(opens)s to %(closes)s. The next moment allowed is %(next)s."
        )
        if rules.skip_holidays:
            message = N_(
                "Customers may be contacted from %(opens)s to %(closes)s, not on public holidays. The next"
                " moment allowed is %(next)s."
            )
        raise NotThen(proposed, message, opens=rules.open_from, closes=rules.open_to)


def suggested() -> dt.datetime:
    """Return the next full hour inside contact hours, as local time."""
    hour = labels.local(clock.now()).replace(minute=0, second=0, microsecond=0)
    return _next(hour + dt.timedelta(hours=1))


def opens_after(moment: dt.datetime) -> dt.datetime | None:
    """Return the local moment at which contact hours begin after ``moment``, None when it is inside them."""
    local = labels.local(moment)
    opens = _next(local)
    return opens if opens > local else None


def outlasts_wait(batch: OutreachBatch, opens: dt.datetime) -> bool:
    """Whether contact hours begin later than a confirmed batch may wait for them; a journey's may."""
    if batch.journey_version_id is not None:
        return False
    started = max(filter(None, (batch.confirmed_at, batch.send_at)), default=opens)
    waited = opens.date() - started.astimezone(opens.tzinfo).date()
    return waited > dt.timedelta(days=settings.current().wait_days)


def state_of(batch: OutreachBatch) -> str:
    """Return the status of a batch; CHOSEN or HOURS while a confirmed one waits for that."""
    return batch.waits_for if waits_until(batch) else batch.status


def waits_until(batch: OutreachBatch) -> dt.datetime | None:
    """Return the local moment until which a confirmed batch waits for its start or contact hours, or None."""
    if batch.status != OutreachBatchStatus.RUNNING or batch.waits_for not in (CHOSEN, HOURS):
        return None
    if batch.not_before is None or batch.not_before <= clock.now():
        return None
    return labels.local(batch.not_before)


def in_state(_user: object, text: str) -> ColumnElement[bool]:
    """Return the criterion for batches in a state, as ``state_of`` says. Raises DomainError for another."""
    if text not in labels.OUTREACH_BATCH_STATUS:
        raise DomainError("There is no such state: %(text)s", text=text[:40])
    waiting = and_(
        OutreachBatch.status == OutreachBatchStatus.RUNNING,
        OutreachBatch.waits_for.in_((CHOSEN, HOURS)),
        func.coalesce(OutreachBatch.not_before > clock.now(), false()),
    )
    if text in (CHOSEN, HOURS):
        return and_(waiting, OutreachBatch.waits_for == text)
    return and_(OutreachBatch.status == text, not_(waiting))


def in_words(batch: OutreachBatch) -> str:
    """Return when a batch started, or when it would."""
    if started := db.session.scalar(select(func.min(Outreach.sent_at)).where(Outreach.batch_id == batch.id)):
        return _at(started)
    if batch.status in _OVER:
        return _("never started")
    if batch.send_at is not None:
        return _at(batch.send_at)
    opens = opens_after(batch.confirmed_at or clock.now())
    if batch.confirmed_at is not None:
        return _at(opens or batch.confirmed_at)
    if opens is not None:
        return _("once confirmed, when contact hours begin: %(time)s", time=f"{opens:%Y-%m-%d %H:%M}")
    return _("at once when it is confirmed")


def _at(moment: dt.datetime) -> str:
    return _("at %(time)s", time=f"{labels.local(moment):%Y-%m-%d %H:%M}")


def _next(local: dt.datetime) -> dt.datetime:
    return next_open(settings.current(), calendar.current(), local)
