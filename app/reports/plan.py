"""What is to be made and sent: rows, written once, whoever asks and however often."""

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
from app.reports.worker import due, release_mails

SYSTEM = "system"
JOB = "app.jobs.reports.run"
#: weeks back for which a report can be asked for by hand
MAX_WEEKS = 26


def tick(now: dt.datetime) -> None:
    """Plan the mails that fell due, and nudge a worker while there is a report to make. Commits.

    What the ticker calls; any number of them may. After an outage the newest week alone is sent.
    """
    _plan(now)
    release_mails(now)
    db.session.commit()
    if due():
        nudge_once("default", JOB)


def _plan(now: dt.datetime) -> None:
    """Write the mails of the week whose moment has come, unless they were written before."""
    query = select(ReportSetting).where(ReportSetting.active).with_for_update(skip_locked=True)
    kept = db.session.scalar(query)
    if kept is not None:
        moment = weeks.last_due(now.astimezone(_zone()), kept.weekday, kept.at)
        week = weeks.last_complete(moment.date())
        if moment > kept.since and (kept.planned_week is None or week > kept.planned_week):
            for person in settings.chosen():
                if person.active and settings.obstacle(person) is None:
                    _write(week, person, stale_before=moment)
            kept.planned_week = week
    db.session.commit()


def _write(week: dt.date, person: Staff, stale_before: dt.datetime) -> None:
    report_id = _report(week, person, SYSTEM, stale_before)
    mail = {"kind": MailKind.REPORT, "report_id": report_id, "person_id": person.id, "week": week}
    db.session.execute(insert(Mail).values(mail).on_conflict_do_nothing())


def ask(week: dt.date, person: Staff) -> int:
    """Have the report of a week made for what the person sees; its number. Commits and nudges a worker.

    One that is there already stays as it is. Raises DomainError for a week that is not over or too long ago.
    """
    if week not in open_weeks():
        raise DomainError("Choose one of the last %(n)s weeks that are over.", n=MAX_WEEKS)
    if settings.scope_obstacle(person) is not None:
        raise DomainError("You have no branch and see no lead.")
    report_id = _report(week, person, person.username, stale_before=None)
    db.session.commit()
    nudge_once("default", JOB)
    return report_id


def open_weeks() -> list[dt.date]:
    """The Mondays of the weeks for which a report can be asked for, the newest first."""
    newest = weeks.last_complete(clock.today())
    return [newest - weeks.WEEK * back for back in range(MAX_WEEKS)]


def _report(week: dt.date, person: Staff, who: str, stale_before: dt.datetime | None) -> int:
    """The report of a week for what a person sees; one that was made before a moment is to be made again."""
    branch_id = settings.branch_seen(person)
    row = {"week": week, "branch_id": branch_id, "person_id": person.id, "requested_by": who}
    db.session.execute(insert(WeeklyReport).values(row).on_conflict_do_nothing())
    same = (WeeklyReport.week == week, WeeklyReport.branch_id.is_not_distinct_from(branch_id))
    report = db.session.scalars(select(WeeklyReport).where(*same)).one()
    stale = stale_before is not None and report.made_at is not None and report.made_at < stale_before
    if stale or report.made_at is None:
        start_over(report, person)
    return report.id


def start_over(report: WeeklyReport, person: Staff) -> None:
    """Have a report made (again) in the row scope of a person who sees just what it is about. No commit."""
    report.made_at, report.attempts, report.error = None, 0, None
    report.person_id = person.id
    db.session.flush()
    waiting = (Mail.report_id == report.id, Mail.status == MailStatus.WAITING)
    db.session.execute(update(Mail).where(*waiting).values(next_at=None))


def send_to(report: WeeklyReport, person: Staff, now: dt.datetime) -> None:
    """Send a report to the person who asks for that, marked as a test. Commits and nudges a worker.

    Raises DomainError without a mail server or an address.
    """
    if not current_app.config["SETTINGS"].smtp_url:
        raise DomainError("SMTP_URL is not set: no e-mail can be sent.")
    if not is_address(person.email or ""):
        raise DomainError("Your log-in has no e-mail address.")
    mail = Mail(kind=MailKind.REPORT, person_id=person.id, week=report.week, is_test=True, next_at=now)
    mail.report_id = report.id
    db.session.add(mail)
    db.session.commit()
    event("send", "report_mail", mail.id, title=str(mail))
    queue.nudge()


def retry(mail: Mail, now: dt.datetime) -> bool:
    """Try a failed mail again from the beginning; False when it did not fail. Does not commit."""
    again = queue.retry(mail, now)
    if again and mail.report is not None and mail.report.made_at is None:
        start_over(mail.report, mail.person)
    return again


def _zone() -> Any:
    return current_app.config["SETTINGS"].zone
