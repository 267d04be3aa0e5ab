"""The worker's side of weekly reports: creating those that were requested."""

from __future__ import annotations

import datetime as dt
import logging

from sqlalchemy import and_, or_, select, update

from app.errors import SEE_LOG, DomainError, Said
from app.extensions import db
from app.jobs.leases import MAX_ATTEMPTS, begin_attempt
from app.lib import clock
from app.lib.database import connection_lost
from app.models import Mail, MailStatus, Staff, WeeklyReport
from app.reports import settings
from app.reports.content import make_content

_DUE = and_(WeeklyReport.made_at.is_(None), WeeklyReport.attempts < MAX_ATTEMPTS)

log = logging.getLogger(__name__)


def has_due() -> bool:
    """Return whether there is a report to create."""
    report_id = db.session.scalar(select(WeeklyReport.id).where(_DUE).limit(1))
    db.session.rollback()
    return report_id is not None


def make_reports(now: dt.datetime | None = None) -> int:
    """Create all requested reports and release their mails. Return the number of reports tried. Commits.

    Any number of workers may do this at once.
    """
    tried = 0
    while (report_id := _claim_next()) is not None:
        _make(report_id)
        tried += 1
    release_mails(now or clock.now())
    db.session.commit()
    return tried


def release_mails(now: dt.datetime) -> None:
    """Make mails due whose report was created, or was given up so that they fail. Does not commit."""
    over = or_(WeeklyReport.made_at.is_not(None), WeeklyReport.attempts >= MAX_ATTEMPTS)
    held = (Mail.status == MailStatus.WAITING, Mail.next_at.is_(None), Mail.report_id == WeeklyReport.id)
    db.session.execute(
        update(Mail).where(*held, over).values(next_at=now),
        execution_options={"synchronize_session": False},
    )


def _claim_next() -> int | None:
    """Begin an attempt at a requested report and return its id; None when there is none. Commits."""
    free = select(WeeklyReport.id).where(_DUE).order_by(WeeklyReport.id).limit(1)
    claim = (
        update(WeeklyReport)
        .where(WeeklyReport.id == free.with_for_update(skip_locked=True).scalar_subquery())
        .values(**begin_attempt(WeeklyReport))
        .returning(WeeklyReport.id)
    )
    report_id = db.session.scalar(claim)
    db.session.commit()
    return report_id


def _make(report_id: int) -> None:
    """Store the figures of a report, or why they could not be counted. Commits.

    Two workers that do so at once store the same.
    """
    report = db.session.get(WeeklyReport, report_id, populate_existing=True)
    if report is None or report.made_at is not None:
        return
    try:
        content = make_content(report.week, _user_of(report))
    except DomainError as error:
        db.session.rollback()
        _store_error(report_id, error.said, give_up=True)
    except Exception as error:
        if connection_lost(error):
            raise
        log.exception("weekly report %s could not be created", report_id)
        db.session.rollback()
        _store_error(report_id, Said(SEE_LOG, {"kind": type(error).__name__}))
    else:
        _store(report_id, content.model_dump(mode="json"))


def _user_of(report: WeeklyReport) -> Staff:
    """Return the user in whose row scope the report is created.

    Raises DomainError when that scope no longer matches the report.
    """
    user = report.person
    if user is None or not user.active or settings.scope_obstacle(user) is not None:
        raise DomainError("The person this report was created for may no longer see it.")
    if settings.branch_in_scope(user) != report.branch_id:
        raise DomainError("The person this report was created for may no longer see it.")
    return user


def _store(report_id: int, content: dict[str, object]) -> None:
    values = {"content": content, "made_at": clock.BEGAN, "error": None}
    same = (WeeklyReport.id == report_id, WeeklyReport.made_at.is_(None))
    db.session.execute(update(WeeklyReport).where(*same).values(**values))
    db.session.commit()


def _store_error(report_id: int, error: Said, *, give_up: bool = False) -> None:
    values: dict[str, object] = {"error": error} | ({"attempts": MAX_ATTEMPTS} if give_up else {})
    db.session.execute(update(WeeklyReport).where(WeeklyReport.id == report_id).values(**values))
    db.session.commit()
