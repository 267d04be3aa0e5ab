"""Export jobs: requested on a list's page, run by a worker with the requester's rights."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import select

from app import approvals
from app.access.rights import holds
from app.errors import DomainError
from app.exports import fact_columns
from app.exports.approval import CLEAR, LARGE, AskedExport
from app.exports.content import CONTENTS, rows, watermark
from app.exports.files import write_table
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.requested import JobTable, recording_failure
from app.leads.phone import PhoneVault
from app.models import Approval, ExportJob, RunStatus, Staff
from app.selection import Selection

JOBS = JobTable(ExportJob, "app.jobs.exports.run")
PERMISSION = "can_export_all"
CLEAR_PERMISSION = "can_export_clear"
#: kind → the view whose permissions include the right to export
VIEWS = {"leads": "LeadView", "hits": "HitView", "customers": "CustomerView"}
MAX_OPEN = 5


def request_export(kind: str, file_format: str, selection: Selection, facts: Sequence[str] = ()) -> ExportJob:
    """Queue an export of the selected rows, with columns for some facts, and nudge a worker. Commits.

    Raises DomainError when the user already has MAX_OPEN exports in progress, or may not export a fact.
    """
    job = _new_job(kind, file_format, selection, facts)
    db.session.commit()
    JOBS.nudge(job.id)
    return job


def request_approval(
    kind: str,
    file_format: str,
    selection: Selection,
    reason: str,
    about: AskedExport,
    facts: Sequence[str] = (),
    *,
    clear: bool,
) -> Approval:
    """Submit an export for approval: one with phone numbers in ``clear``, or a large masked one. Commits.

    Raises DomainError when the settings forbid exports in clear, when there is no reason, or as
    ``request_export`` does.
    """
    if clear and not clear_allowed():
        raise DomainError("The settings do not allow exports with unmasked phone numbers.")
    job = _new_job(kind, file_format, selection, facts)
    job.clear, job.status = clear, RunStatus.ASKED
    db.session.flush()
    approval = approvals.submit(CLEAR if clear else LARGE, job.id, selection.user, reason, about._asdict())
    db.session.commit()
    return approval


def _new_job(kind: str, file_format: str, selection: Selection, facts: Sequence[str]) -> ExportJob:
    fact_columns.chosen(selection.user, facts)
    user = selection.user.username
    if JOBS.count_open(user) >= MAX_OPEN:
        raise DomainError("You have %(n)s exports in progress. Wait until one of them is done.", n=MAX_OPEN)
    job = ExportJob(kind=kind, format=file_format, filters=selection.as_json(), requested_by=user)
    job.facts = list(facts)
    db.session.add(job)
    return job


def clear_allowed() -> bool:
    """Return whether the settings allow exports with unmasked phone numbers."""
    return bool(current_app.config["SETTINGS"].unmasked_exports)


def rows_alone() -> int:
    """Return the most rows that a person may export without a second one."""
    return int(current_app.config["SETTINGS"].export_rows_alone)


def export_file(job: ExportJob) -> Path | None:
    """Return the path of an export's file, or None when it is not written yet or was deleted."""
    path = _folder() / job.file if job.file else None
    return path if path is not None and path.is_file() else None


def download_name(job: ExportJob) -> str:
    """Return the file name for the download: list, requester and time."""
    return f"{job.kind}-{job.requested_by}-{_local(job.created_at):%Y%m%d-%H%M}.{job.format}"


def make_export(job_id: int) -> None:
    """Write the file of a queued export; do nothing when another worker holds it or it is over."""
    with JOBS.owned(job_id) as owned:
        if owned is None:
            return
        job, held = owned
        requester = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
        language = requester.language if requester else current_app.config["BABEL_DEFAULT_LOCALE"]
        with force_locale(language), recording_failure(held, owned.fail):
            check_attempts(job.attempts)
            name, count = _write_file(requester, job, held)
            owned.done(file=name, rows=count)


def _write_file(requester: Staff | None, job: ExportJob, held: Held) -> tuple[str, int]:
    """Write the file. Return its name and number of rows."""
    needed = CLEAR_PERMISSION if job.clear else PERMISSION
    if requester is None or not holds(requester, needed, VIEWS[job.kind]):
        raise DomainError("The person who requested this export may no longer export this list.")
    if job.clear and not (clear_allowed() and job.approved_by):
        raise DomainError("The settings do not allow exports with unmasked phone numbers.")
    content, progress = CONTENTS[job.kind], _Progress(held)
    vault = PhoneVault.of(current_app.config["SETTINGS"]) if job.clear else None
    query = Selection.of_json(content.model, job.filters, requester).query()
    progress.total = query.count()
    if not job.approved_by:
        progress.most = rows_alone()
    name = f"{uuid.uuid4().hex}.{job.format}"
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    first = watermark(job.requested_by, job.created_at, job.approved_by)
    facts = fact_columns.chosen(requester, job.facts)
    counted = progress.count(rows(content, query, vault, facts))
    header = [*content.header(), *fact_columns.header(facts)]
    write_table(_folder() / name, job.format, first, header, counted)
    return name, progress.done


class _Progress:
    """The number of rows written, stored with the job whenever another percent is done."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.total = self.done = self.percent = 0
        #: the rows after which a second person must have approved the export
        self.most: int | None = None

    def count(self, source: Iterable[list[str]]) -> Iterator[list[str]]:
        """Yield the rows, counting them. Raises DomainError beyond ``most``."""
        for row in source:
            if self.most is not None and self.done >= self.most:
                raise DomainError(
                    "The list has grown beyond %(n)s rows: export it again, so that another person approves.",
                    n=f"{self.most:,}",
                )
            yield row
            self.done += 1
            percent = min(99, self.done * 100 // max(self.total, 1))
            if percent != self.percent:
                self.percent = percent
                self.held.write(progress=percent)


def _local(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(current_app.config["SETTINGS"].zone)


def _folder() -> Path:
    folder: Path = current_app.config["SETTINGS"].data_dir / "exports"
    return folder
