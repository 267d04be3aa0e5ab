"""When a batch starts: at once, or at a chosen moment inside contact hours."""

from __future__ import annotations

import datetime as dt

from flask import current_app
from flask_babel import gettext as _

from app import labels
from app.errors import N_, FieldError
from app.lib import clock
from app.models import OutreachBatch, OutreachBatchStatus
from app.outreach import settings
from app.outreach.compliance import next_open
from app.schedules import calendar

#: how far ahead a batch may start
MAX_DAYS = 90
#: what a batch waits for until the moment that somebody chose
CHOSEN = "time"


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


def scheduled_for(batch: OutreachBatch) -> dt.datetime | None:
    """Return the chosen local moment for which a confirmed batch waits, None when it doesn't."""
    if batch.status != OutreachBatchStatus.RUNNING or batch.waits_for != CHOSEN or batch.not_before is None:
        return None
    return labels.local(batch.not_before) if batch.not_before > clock.now() else None


def in_words(batch: OutreachBatch) -> str:
    """Return when a batch starts, or would start."""
    if batch.send_at is not None:
        return _("at %(time)s", time=f"{labels.local(batch.send_at):%Y-%m-%d %H:%M}")
    opens = batch.planned.get("open_at")
    if opens and dt.datetime.fromisoformat(opens) > max(batch.created_at, clock.now()):
        time = f"{labels.local(dt.datetime.fromisoformat(opens)):%Y-%m-%d %H:%M}"
        return _("once confirmed, when contact hours begin: %(time)s", time=time)
    return _("at once when it is confirmed")


def _next(local: dt.datetime) -> dt.datetime:
    return next_open(settings.current(), calendar.current(), local)
