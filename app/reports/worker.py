"""What a worker does: makes the reports that are asked for, sends the mails that are due."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from flask import current_app
from sqlalchemy import ColumnElement, and_, func, or_, select, update

from app.errors import DomainError
from app.extensions import db
from app.lib import clock, mailer
from app.lib.mailer import MailError
from app.lib.spreadsheet import shortened
from app.models import ReportMail, ReportMailStatus, Staff, WeeklyReport
from app.reports import settings
from app.reports.content import content_of
from app.reports.mail import letter

#: a report that this many workers failed at is given up until somebody asks again
MOST_ATTEMPTS = 3
#: waits after the first failures of a mail; after the last one it has failed for good
BACK_OFF = [dt.timedelta(minutes=minutes) for minutes in (5, 30, 120, 360)]
#: a worker that has not answered for so long is gone
LEASE = dt.timedelta(minutes=5)
_TO_MAKE = and_(WeeklyReport.made_at.is_(None), WeeklyReport.attempts < MOST_ATTEMPTS)

log = logging.getLogger(__name__)


def due(now: dt.datetime) -> bool:
    """Whether any report is to be made or any mail to be sent."""
    made = db.session.scalar(select(WeeklyReport.id).where(_TO_MAKE).limit(1))
    mail = db.session.scalar(select(ReportMail.id).join(WeeklyReport).where(_ready(now)).limit(1))
    db.session.rollback()
    return made is not None or mail is not None


def work(now: dt.datetime | None = None) -> int:
    """Make what is asked for, then send what is due; how many mails went out. Any number may do this."""
    while (report_id := _next_report()) is not None:
        _make(report_id)
    sent = 0
    while (mail_id := _claim(now or clock.now(), owner := uuid.uuid4().hex)) is not None:
        sent += _send(mail_id, owner, now or clock.now())
    return sent


def _next_report() -> int | None:
    """A report to make, counted as tried: one that brings its workers down is not tried for ever."""
    free = select(WeeklyReport.id).where(_TO_MAKE).order_by(WeeklyReport.id).limit(1)
    taken = (
        update(WeeklyReport)
        .where(WeeklyReport.id == free.with_for_update(skip_locked=True).scalar_subquery())
        .values(attempts=WeeklyReport.attempts + 1)
        .returning(WeeklyReport.id)
    )
    found = db.session.scalar(taken)
    db.session.commit()
    return found


def _make(report_id: int) -> None:
    """Write the figures into a report. What two workers make at once is the same."""
    report = db.session.get(WeeklyReport, report_id, populate_existing=True)
    if report is None or report.made_at is not None:
        return
    try:
        content = content_of(report.week, _scope_of(report))
    except DomainError as error:
        db.session.rollback()
        _note(report_id, error.message % error.values, give_up=True)
    except Exception as error:
        log.exception("weekly report %s could not be made", report_id)
        db.session.rollback()
        _note(report_id, f"{type(error).__name__}: see the worker's log")
    else:
        _store(report_id, content.model_dump(mode="json"))


def _scope_of(report: WeeklyReport) -> Staff:
    """The person in whose row scope the report is made, seen to have that very scope still."""
    person = report.person
    if person is None or not person.active or settings.scope_obstacle(person) is not None:
        raise DomainError("Whoever this report was for may not see it any more.")
    if settings.branch_seen(person) != report.branch_id:
        raise DomainError("Whoever this report was for may not see it any more.")
    return person


def _store(report_id: int, content: dict[str, object]) -> None:
    values = {"content": content, "made_at": func.now(), "error": ""}
    same = (WeeklyReport.id == report_id, WeeklyReport.made_at.is_(None))
    db.session.execute(update(WeeklyReport).where(*same).values(**values))
    db.session.commit()


def _note(report_id: int, error: str, *, give_up: bool = False) -> None:
    values: dict[str, object] = {"error": error} | ({"attempts": MOST_ATTEMPTS} if give_up else {})
    db.session.execute(update(WeeklyReport).where(WeeklyReport.id == report_id).values(**values))
    db.session.commit()


def _ready(now: dt.datetime) -> ColumnElement[bool]:
    """Criterion on ReportMail and its report: due, or left behind; its report made, or given up."""
    waiting = and_(ReportMail.status == ReportMailStatus.WAITING, ReportMail.next_at <= now)
    left = and_(ReportMail.status == ReportMailStatus.SENDING, ReportMail.lease_until < now)
    return and_(
        or_(waiting, left),
        or_(WeeklyReport.made_at.is_not(None), WeeklyReport.attempts >= MOST_ATTEMPTS),
    )


def _claim(now: dt.datetime, owner: str) -> int | None:
    """A mail that nobody else sends from now on, counted as tried."""
    free = select(ReportMail.id).join(WeeklyReport).where(_ready(now))
    free = free.order_by(ReportMail.next_at, ReportMail.id).limit(1)
    taken = (
        update(ReportMail)
        .where(ReportMail.id == free.with_for_update(skip_locked=True, of=ReportMail).scalar_subquery())
        .values(
            status=ReportMailStatus.SENDING,
            attempts=ReportMail.attempts + 1,
            lease_owner=owner,
            lease_until=now + LEASE,
        )
        .returning(ReportMail.id)
    )
    found = db.session.scalar(taken)
    db.session.commit()
    return found


def _send(mail_id: int, owner: str, now: dt.datetime) -> bool:
    """Send one mail that this worker claimed, and keep what came of it; whether it went out."""
    mail = db.session.get_one(ReportMail, mail_id, populate_existing=True)
    try:
        _hand_over(mail)
    except MailError as error:
        _failed(mail, owner, error.answer, now, for_good=error.permanent)
        return False
    except Exception as error:
        log.exception("weekly report mail %s could not be sent", mail_id)
        db.session.rollback()
        _failed(mail, owner, f"{type(error).__name__}: see the worker's log", now)
        return False
    _write(mail_id, owner, status=ReportMailStatus.SENT, sent_at=now, next_at=None, last_error="")
    return True


def _hand_over(mail: ReportMail) -> None:
    """Raises MailError, for good when the person may not get the report (any more)."""
    person, report = mail.person, mail.report
    if report.made_at is None:
        raise MailError(f"the report could not be made: {report.error}", permanent=True)
    if not person.active or settings.obstacle(person) is not None:
        raise MailError("this person can't receive the report any more", permanent=True)
    if not settings.may_see(person, report):
        raise MailError("this person sees other branches now", permanent=True)
    config = current_app.config["SETTINGS"]
    written = letter(report, person, str(mail.key), config, test=mail.is_test)
    # Nothing is held in the database while somebody else is waited for.
    db.session.rollback()
    mailer.send(written, config)


def _failed(mail: ReportMail, owner: str, error: str, now: dt.datetime, *, for_good: bool = False) -> None:
    over = for_good or mail.attempts > len(BACK_OFF)
    values = {
        "status": ReportMailStatus.FAILED if over else ReportMailStatus.WAITING,
        "next_at": None if over else now + BACK_OFF[mail.attempts - 1],
    }
    _write(mail.id, owner, last_error=shortened(error, 512), **values)


def _write(mail_id: int, owner: str, **values: object) -> None:
    """Keep what came of a mail, unless another worker has it by now."""
    own = (ReportMail.id == mail_id, ReportMail.lease_owner == owner)
    kept = {"lease_owner": None, "lease_until": None, **values}
    db.session.execute(update(ReportMail).where(*own).values(**kept))
    db.session.commit()
