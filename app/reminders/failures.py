"""Notices about background failures, for whoever requested the work and for operators."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import func, select

from app.access.rights import holders
from app.extensions import db
from app.jobs import health
from app.lib.pointers import to_row, to_rows
from app.models import (
    AuditJob,
    Backtest,
    BatchStatus,
    BulkJob,
    ContactStatement,
    Delivery,
    DeliveryStatus,
    ExportJob,
    ImportBatch,
    JobRun,
    JourneySimulation,
    Mail,
    MailKind,
    MailStatus,
    OutreachBatch,
    OutreachBatchStatus,
    RunStatus,
    Staff,
    StopReason,
    Target,
    TargetStatus,
    WeeklyReport,
)
from app.outreach import statement
from app.reminders.notice import Notice

#: failures older than this are not reported
DAYS = 7
RUN_KEEPERS = ("rerun", "JobRunView")
DELIVERY_KEEPERS = ("replay", "DeliveryView")
TARGET_KEEPERS = ("resume", "TargetView")
REPORT_KEEPERS = ("can_make", "WeeklyReportView")
REPORT_MAIL_KEEPERS = ("retry", "ReportMailView")
STATEMENT_KEEPERS = ("can_list", "ContactStatementView")
KEEPERS = (
    *(RUN_KEEPERS, DELIVERY_KEEPERS, TARGET_KEEPERS, REPORT_KEEPERS, REPORT_MAIL_KEEPERS),
    STATEMENT_KEEPERS,
)
RUN = {
    RunStatus.FAILED: lazy_gettext("The T+1 run of %(day)s failed"),
    RunStatus.HELD: lazy_gettext("The T+1 run of %(day)s is held: its data looks incomplete"),
}
REFUSED = lazy_gettext("%(n)s log files were refused in the T+1 run of %(day)s")
DEAD = lazy_gettext("%(n)s deliveries to %(target)s were given up")
STOPPED = lazy_gettext("Sending to %(target)s has stopped: it has failed for days or is gone")

STATEMENT = lazy_gettext("%(n)s contacts of %(day)s were against the outreach rules")
STEPS = lazy_gettext("%(n)s scheduled system tasks are failing")
REPORT = lazy_gettext("The weekly report for the week of %(week)s could not be created")
REPORT_MAILS = lazy_gettext("%(n)s mails of the weekly report for the week of %(week)s failed")


class _Job(NamedTuple):
    """A kind of background job that a user requests."""

    model: Any
    asked_by: Any
    failed: str
    message: LazyString


JOBS = (
    _Job(
        *(ImportBatch, ImportBatch.created_by, BatchStatus.FAILED),
        lazy_gettext("Your import #%(id)s failed"),
    ),
    _Job(
        *(ExportJob, ExportJob.requested_by, RunStatus.FAILED),
        lazy_gettext("Your export #%(id)s failed"),
    ),
    _Job(
        *(Backtest, Backtest.requested_by, RunStatus.FAILED),
        lazy_gettext("Your back-test #%(id)s failed"),
    ),
    _Job(
        *(JourneySimulation, JourneySimulation.requested_by, RunStatus.FAILED),
        lazy_gettext("Your simulation #%(id)s failed"),
    ),
    _Job(
        *(BulkJob, BulkJob.requested_by, RunStatus.FAILED),
        lazy_gettext("Your bulk change #%(id)s failed"),
    ),
    _Job(
        *(AuditJob, AuditJob.requested_by, RunStatus.FAILED),
        lazy_gettext("Your change log job #%(id)s failed"),
    ),
    _Job(
        *(OutreachBatch, OutreachBatch.created_by, OutreachBatchStatus.FAILED),
        lazy_gettext("Your outreach batch #%(id)s failed"),
    ),
)


def notices(now: dt.datetime) -> Iterator[Notice]:
    """Yield notices about all recent failures that still need attention."""
    since = now - dt.timedelta(days=DAYS)
    for job in JOBS:
        yield from _jobs(job, since)
    yield from _runs(since)
    yield from _dead()
    yield from _stopped()
    yield from _reports(since)
    yield from _report_mails(since)
    yield from _statements(since)
    yield from _steps()


def _jobs(job: _Job, since: dt.datetime) -> Iterator[Notice]:
    ended = func.coalesce(job.model.finished_at, job.model.created_at)
    query = (
        select(job.model.id, Staff.id.label("person"), ended.label("at"))
        .join(Staff, Staff.username == job.asked_by)
        .where(job.model.status == job.failed, ended > since)
        .order_by(job.model.id)
    )
    table = job.model.__tablename__
    for row in db.session.execute(query):
        yield Notice(
            row.person,
            f"{table}-{row.id}",
            "job",
            job.message,
            {"id": row.id},
            to_row(table, row.id),
            mark=int(row.at.timestamp()),
        )


def _runs(since: dt.datetime) -> Iterator[Notice]:
    """Yield notices about runs that failed or were held, and about refused files."""
    query = select(JobRun).where(func.coalesce(JobRun.finished_at, JobRun.created_at) > since)
    keepers = _Lazy(RUN_KEEPERS)
    for run in db.session.scalars(query.order_by(JobRun.day)):
        opens = to_row("job_run", run.id)
        values = {"day": run.day.isoformat()}
        message = RUN.get(RunStatus(run.status))
        at = int((run.finished_at or run.started_at or run.created_at).timestamp())
        if message is not None:
            yield from keepers.each(f"run-{run.id}", message, values, opens, at)
        refused = len((run.counts or {}).get("refused", []))
        if refused:
            yield from keepers.each(f"refused-{run.id}", REFUSED, values | {"n": refused}, opens, refused)


def _dead() -> Iterator[Notice]:
    query = (
        select(Target, func.count(), func.max(func.coalesce(Delivery.done_at, Delivery.created_at)))
        .join(Delivery, Delivery.target_id == Target.id)
        .where(Delivery.status == DeliveryStatus.DEAD)
        .group_by(Target.id)
    )
    keepers = _Lazy(DELIVERY_KEEPERS)
    for target, count, last in db.session.execute(query).tuples():
        yield from keepers.each(
            f"dead-{target.id}",
            DEAD,
            {"n": count, "target": str(target)},
            to_rows("delivery", status=DeliveryStatus.DEAD, target=target.id),
            int(last.timestamp()),
        )


def _stopped() -> Iterator[Notice]:
    stopped = select(Target).where(
        Target.status == TargetStatus.STOPPED,
        Target.stop_reason.in_([StopReason.FAILING, StopReason.GONE]),
    )
    keepers = _Lazy(TARGET_KEEPERS)
    for target in db.session.scalars(stopped):
        at = int(target.stopped_at.timestamp()) if target.stopped_at else 0
        opens = to_row("target", target.id)
        yield from keepers.each(f"target-{target.id}", STOPPED, {"target": str(target)}, opens, at)


def _reports(since: dt.datetime) -> Iterator[Notice]:
    broken = select(WeeklyReport).where(
        WeeklyReport.made_at.is_(None), WeeklyReport.error.is_not(None), WeeklyReport.created_at > since
    )
    keepers = _Lazy(REPORT_KEEPERS)
    for report in db.session.scalars(broken.order_by(WeeklyReport.id)):
        opens = to_row("weekly_report", report.id)
        values = {"week": report.week.isoformat()}
        yield from keepers.each(f"report-{report.id}", REPORT, values, opens, report.attempts)


def _report_mails(since: dt.datetime) -> Iterator[Notice]:
    failed = (
        select(Mail.week, func.count())
        .where(
            Mail.kind == MailKind.REPORT,
            Mail.status == MailStatus.FAILED,
            Mail.is_test.is_(False),
            Mail.created_at > since,
        )
        .group_by(Mail.week)
        .order_by(Mail.week)
    )
    keepers = _Lazy(REPORT_MAIL_KEEPERS)
    for week, count in db.session.execute(failed).tuples():
        values = {"n": count, "week": str(week)}
        opens = to_rows("report_mail", status=MailStatus.FAILED, week__from=week, is_test=0)
        yield from keepers.each(f"reportmails-{week}", REPORT_MAILS, values, opens, count)


def _statements(since: dt.datetime) -> Iterator[Notice]:
    """Yield notices about days with contacts that the outreach rules did not allow."""
    recent = select(ContactStatement).where(statement.BROKEN, ContactStatement.created_at > since)
    keepers = _Lazy(STATEMENT_KEEPERS)
    for each in db.session.scalars(recent.order_by(ContactStatement.day)):
        values = {"n": each.outside_hours + each.over_cap + each.opted_out, "day": each.day.isoformat()}
        opens = to_rows("contact_statement", day__from=each.day, day__to=each.day)
        yield from keepers.each(f"statement-{each.day}", STATEMENT, values, opens, each.id)


def _steps() -> Iterator[Notice]:
    """Yield one notice for as long as any step of the ticker fails."""
    steps = health.failing()
    if steps:
        since = min(step.failing_since for step in steps if step.failing_since)
        keepers = _Lazy(RUN_KEEPERS)
        yield from keepers.each(
            "ticker", STEPS, {"n": len(steps)}, to_rows("job_run"), int(since.timestamp())
        )


class _Lazy:
    """The holders of a right, read only when there is something to notify them of."""

    def __init__(self, right: tuple[str, str]) -> None:
        self._right = right
        self._people: list[Staff] | None = None

    def each(
        self, source: str, message: LazyString, values: dict[str, Any], opens: dict[str, Any], mark: int
    ) -> Iterator[Notice]:
        """Yield the notice for each of them."""
        if self._people is None:
            self._people = holders(self._right)
        for person in self._people:
            yield Notice(person.id, source, "system", message, values, opens, mark)
