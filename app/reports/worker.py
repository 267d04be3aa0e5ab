"""What a worker does: makes the reports that are asked for."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import and_, func, or_, select, update

from app.errors import SEE_LOG, DomainError, Said
from app.extensions import db
from app.jobs.leases import MAX_ATTEMPTS, begin_attempt
from app.lib import clock
from app.lib.database import connection_lost
from app.models import Mail, MailStatus, Staff, WeeklyReport
from app.reports import settings
from app.reports.content import content_of

_TO_MAKE = and_(WeeklyReport.made_at.is_(None), WeeklyReport.attempts < MAX_ATTEMPTS)

log = logging.getLogger(__name__)


def due() -> bool:
    """Whether any report is to be made."""
    made = db.session.scalar(select(WeeklyReport.id).where(_TO_MAKE).limit(1))
    db.session.rollback()
    return made is not None


def work(now: dt.datetime | None = None) -> int:
    """Make what is asked for, and let the mails go that waited for it; how many. Any number may do this."""
    made = 0
    while (report_id := _next_report()) is not None:
        _make(report_id)
        made += 1
    release_mails(now or clock.now())
    db.session.commit()
    return made


def release_mails(now: dt.datetime) -> None:
    """Have the mails go out whose report is made, or was given up: then they say so. Does not commit."""
    over = or_(WeeklyReport.made_at.is_not(None), WeeklyReport.attempts >= MAX_ATTEMPTS)
    held = (Mail.status == MailStatus.WAITING, Mail.next_at.is_(None), Mail.report_id == WeeklyReport.id)
    db.session.execute(
        update(Mail).where(*held, over).values(next_at=now),
        execution_options={"synchronize_session": False},
    )


def _next_report() -> int | None:
    """A report to make, counted as tried: after MAX_ATTEMPTS it is given up."""
    free = select(WeeklyReport.id).where(_TO_MAKE).order_by(WeeklyReport.id).limit(1)
    taken = (
        update(WeeklyReport)
        .where(WeeklyReport.id == free.with_for_update(skip_locked=True).scalar_subquery())
        .values(**begin_attempt(WeeklyReport))
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
        _note(report_id, error.said, give_up=True)
    except Exception as error:
        if connection_lost(error):
            raise
        log.exception("weekly report %s could not be made", report_id)
        db.session.rollback()
        _note(report_id, Said(SEE_LOG, {"kind": type(error).__name__}))
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
    values = {"content": content, "made_at": func.now(), "error": None}
    same = (WeeklyReport.id == report_id, WeeklyReport.made_at.is_(None))
    db.session.execute(update(WeeklyReport).where(*same).values(**values))
    db.session.commit()


def _note(report_id: int, error: Said, *, give_up: bool = False) -> None:
    values: dict[str, object] = {"error": error} | ({"attempts": MAX_ATTEMPTS} if give_up else {})
    db.session.execute(update(WeeklyReport).where(WeeklyReport.id == report_id).values(**values))
    db.session.commit()
