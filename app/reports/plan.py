"""Planning of weekly reports and their mails: rows that exist once, however often they are requested."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from app.audit.events import event
from app.errors import DomainError
from app.extensions import db
from app.jobs.nudges import nudge_once
from app.lib import clock
from app.lib.mailer import is_address
from app.mails import queue
from app.models import Mail, MailKind, MailStatus, ReportSetting, Staff, WeeklyReport
from app.reports import settings, weeks
from app.reports.worker import has_due, release_mails

SYSTEM = "system"
JOB = "app.jobs.reports.run"
#: weeks back for which a user can request a report
MAX_WEEKS = 26


def tick(now: dt.datetime) -> None:
    """Plan the mails that are due, and nudge a worker while there is a report to create. Commits.

    Called by any number of tickers. After an outage only the newest week is sent.
    """
    _plan(now)
    release_mails(now)
    db.session.commit()
    if has_due():
        nudge_once("default", JOB)


def _plan(now: dt.datetime) -> None:
    """Write the mails of the week that is due, unless that was done before."""
    query = select(ReportSetting).where(ReportSetting.active).with_for_update(skip_locked=True)
    setting = db.session.scalar(query)
    if setting is not None:
        moment = weeks.last_due(now.astimezone(_zone()), setting.weekday, setting.at)
        week = weeks.last_complete(moment.date())
        if moment > setting.since and (setting.planned_week is None or week > setting.planned_week):
            for receiver in settings.receivers():
                if receiver.active and settings.obstacle(receiver) is None:
                    _plan_mail(week, receiver, stale_before=moment)
            setting.planned_week = week
    db.session.commit()


def _plan_mail(week: dt.date, receiver: Staff, stale_before: dt.datetime) -> None:
    report_id = _report(week, receiver, SYSTEM, stale_before)
    mail = {"kind": MailKind.REPORT, "report_id": report_id, "person_id": receiver.id, "week": week}
    db.session.execute(insert(Mail).values(mail).on_conflict_do_nothing())


def request_report(week: dt.date, user: Staff) -> int:
    """Queue the report of a week in the user's row scope and nudge a worker. Return its id. Commits.

    An existing report is left unchanged. Raises DomainError when the week is not over or too long ago, or
    when the user has no branch.
    """
    if week not in available_weeks():
        raise DomainError("Choose one of the last %(n)s complete weeks.", n=MAX_WEEKS)
    if settings.scope_obstacle(user) is not None:
        raise DomainError("You have no branch, so you see no leads.")
    report_id = _report(week, user, user.username, stale_before=None)
    db.session.commit()
    nudge_once("default", JOB)
    return report_id


def available_weeks() -> list[dt.date]:
    """Return the Mondays of the weeks for which a report can be requested, newest first."""
    newest = weeks.last_complete(clock.today())
    return [newest - weeks.WEEK * back for back in range(MAX_WEEKS)]


def _report(week: dt.date, user: Staff, requested_by: str, stale_before: dt.datetime | None) -> int:
    """Return the id of the report of a week in a user's row scope, adding it when there is none.

    A report created before ``stale_before`` is reset.
    """
    branch_id = settings.branch_in_scope(user)
    row = {"week": week, "branch_id": branch_id, "person_id": user.id, "requested_by": requested_by}
    db.session.execute(insert(WeeklyReport).values(row).on_conflict_do_nothing())
    same = (WeeklyReport.week == week, WeeklyReport.branch_id.is_not_distinct_from(branch_id))
    report = db.session.scalars(select(WeeklyReport).where(*same)).one()
    stale = stale_before is not None and report.made_at is not None and report.made_at < stale_before
    if stale or report.made_at is None:
        reset(report, user)
    return report.id


def reset(report: WeeklyReport, user: Staff) -> None:
    """Have a report created again, with the row scope of a user who sees exactly its branch.

    Its mails wait until then. Does not commit.
    """
    report.made_at, report.attempts, report.error = None, 0, None
    report.person_id = user.id
    db.session.flush()
    waiting = (Mail.report_id == report.id, Mail.status == MailStatus.WAITING)
    db.session.execute(update(Mail).where(*waiting).values(next_at=None))


def send_test(report: WeeklyReport, user: Staff, now: dt.datetime) -> None:
    """Queue a report as a mail to the user who requests it, marked as a test. Commits and nudges a worker.

    Raises DomainError without a mail server or an address.
    """
    if not current_app.config["SETTINGS"].smtp_url:
        raise DomainError("SMTP_URL is not set: no e-mail can be sent.")
    if not is_address(user.email or ""):
        raise DomainError("Your log-in has no e-mail address.")
    mail = Mail(kind=MailKind.REPORT, person_id=user.id, week=report.week, is_test=True, next_at=now)
    mail.report_id = report.id
    db.session.add(mail)
    db.session.commit()
    event("send", "report_mail", mail.id, title=str(mail))
    queue.nudge()


def retry(mail: Mail, now: dt.datetime) -> bool:
    """Queue a failed mail again, and its report if that was not created. Does not commit.

    Return False when the mail has not failed.
    """
    queued = queue.retry(mail, now)
    if queued and mail.report is not None and mail.report.made_at is None:
        reset(mail.report, mail.person)
    return queued


def _zone() -> Any:
    return current_app.config["SETTINGS"].zone
