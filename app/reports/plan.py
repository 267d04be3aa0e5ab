"""What is to be made and sent: rows, written once, whoever asks and however often."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.errors import DomainError
from app.extensions import db
from app.jobs import nudge_once
from app.lib import clock
from app.lib.mailer import is_address
from app.models import ReportMail, ReportMailStatus, ReportSetting, Staff, WeeklyReport
from app.reports import settings, weeks
from app.reports.worker import due

SYSTEM = "system"
JOB = "app.jobs.reports.run"
#: weeks back for which a report can be asked for by hand
MOST_WEEKS = 26


def tick(now: dt.datetime) -> None:
    """Plan the mails that fell due, and nudge a worker while there is anything to do. Commits.

    What the ticker calls; any number of them may. After an outage the newest week alone is sent.
    """
    _plan(now)
    if due(now):
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
                    _write(week, person, now, stale_before=moment)
            kept.planned_week = week
    db.session.commit()


def _write(week: dt.date, person: Staff, now: dt.datetime, stale_before: dt.datetime) -> None:
    report_id = _report(week, person, SYSTEM, stale_before)
    mail = {"report_id": report_id, "person_id": person.id, "week": week, "next_at": now}
    db.session.execute(insert(ReportMail).values(mail).on_conflict_do_nothing())


def ask(week: dt.date, person: Staff) -> int:
    """Have the report of a week made for what the person sees; its number. Commits and nudges a worker.

    One that is there already stays as it is. Raises DomainError for a week that is not over or too long ago.
    """
    if week not in open_weeks():
        raise DomainError("Choose one of the last %(n)s weeks that are over.", n=MOST_WEEKS)
    if settings.scope_obstacle(person) is not None:
        raise DomainError("You have no branch and see no lead.")
    report_id = _report(week, person, person.username, stale_before=None)
    db.session.commit()
    nudge_once("default", JOB)
    return report_id


def open_weeks() -> list[dt.date]:
    """The Mondays of the weeks for which a report can be asked for, the newest first."""
    newest = weeks.last_complete(clock.today())
    return [newest - weeks.WEEK * back for back in range(MOST_WEEKS)]


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
    report.made_at, report.attempts, report.error = None, 0, ""
    report.person_id = person.id
    db.session.flush()


def send_to(report: WeeklyReport, person: Staff, now: dt.datetime) -> None:
    """Send a report to the person who asks for that, marked as a test. Commits and nudges a worker.

    Raises DomainError without a mail server or an address.
    """
    if not current_app.config["SETTINGS"].smtp_url:
        raise DomainError("SMTP_URL is not set: no e-mail can be sent.")
    if not is_address(person.email or ""):
        raise DomainError("Your log-in has no e-mail address.")
    mail = ReportMail(report_id=report.id, person_id=person.id, week=report.week, is_test=True, next_at=now)
    db.session.add(mail)
    db.session.commit()
    nudge_once("default", JOB)


def retry(mail: ReportMail, now: dt.datetime) -> None:
    """Try a failed mail again from the beginning. Raises DomainError when it did not fail. No commit."""
    if mail.status != ReportMailStatus.FAILED:
        raise DomainError("Only a mail that failed can be sent again.")
    mail.status, mail.attempts, mail.next_at = ReportMailStatus.WAITING, 0, now
    if mail.report.made_at is None:
        start_over(mail.report, mail.person)
    db.session.flush()


def _zone() -> Any:
    return current_app.config["SETTINGS"].zone
