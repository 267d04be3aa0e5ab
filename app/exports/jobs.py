"""Export jobs: asked for on a list's page, made by a worker with the rights of who asked."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import select

from app import approvals
from app.access.rights import holds
from app.errors import DomainError
from app.exports.approval import CLEAR, ClearExport
from app.exports.content import CONTENTS, rows, watermark
from app.exports.files import write_table
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.table import JobTable, recording_failure
from app.leads.phone import PhoneVault
from app.models import Approval, ExportJob, RunStatus, Staff
from app.selection import Selection

JOBS = JobTable(ExportJob, "app.jobs.exports.run")
PERMISSION = "can_export_all"
CLEAR_PERMISSION = "can_export_clear"
#: kind → the screen on which the right to export is given
VIEWS = {"leads": "LeadView", "hits": "HitView"}
MAX_OPEN = 5


def request_export(kind: str, form: str, selection: Selection) -> ExportJob:
    """Ask for an export of the rows that a person selected. Commits and nudges a worker.

    Raises DomainError when the person has MAX_OPEN exports under way.
    """
    job = _job(kind, form, selection)
    db.session.commit()
    JOBS.nudge(job.id)
    return job


def request_clear_export(
    kind: str, form: str, selection: Selection, reason: str, about: ClearExport
) -> Approval:
    """Ask a second person for an export with phone numbers in clear. Commits.

    Raises DomainError when the setting forbids such exports, without a reason, or beyond MAX_OPEN.
    """
    if not clear_allowed():
        raise DomainError("Exports with phone numbers in clear are not allowed here.")
    job = _job(kind, form, selection)
    job.clear, job.status = True, RunStatus.ASKED
    db.session.flush()
    approval = approvals.submit(CLEAR, job.id, selection.user, reason, about._asdict())
    db.session.commit()
    return approval


def _job(kind: str, form: str, selection: Selection) -> ExportJob:
    user = selection.user.username
    if JOBS.count_open(user) >= MAX_OPEN:
        raise DomainError("You have %(n)s exports under way. Wait until one is done.", n=MAX_OPEN)
    job = ExportJob(kind=kind, format=form, filters=selection.as_json(), requested_by=user)
    db.session.add(job)
    return job


def clear_allowed() -> bool:
    """Whether the setting allows exports with phone numbers in clear."""
    return bool(current_app.config["SETTINGS"].unmasked_exports)


def export_file(job: ExportJob) -> Path | None:
    """Where the file of a finished export lies, None when there is none (any more)."""
    path = _folder() / job.file if job.file else None
    return path if path is not None and path.is_file() else None


def download_name(job: ExportJob) -> str:
    """The name a downloaded export gets: what, who, when."""
    return f"{job.kind}-{job.requested_by}-{_local(job.created_at):%Y%m%d-%H%M}.{job.format}"


def make_export(job_id: int) -> None:
    """Make the file of an export that waits; does nothing when another worker does, or it is done."""
    with JOBS.owned(job_id) as owned:
        if owned is None:
            return
        job, held = owned
        person = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
        language = person.language if person else current_app.config["BABEL_DEFAULT_LOCALE"]
        with force_locale(language), recording_failure(held, owned.fail):
            check_attempts(job.attempts)
            name, count = _make(person, job, held)
            owned.done(file=name, rows=count)


def _make(person: Staff | None, job: ExportJob, held: Held) -> tuple[str, int]:
    """Write the file. Returns its name and how many rows it has."""
    needed = CLEAR_PERMISSION if job.clear else PERMISSION
    if person is None or not holds(person, needed, VIEWS[job.kind]):
        raise DomainError("Whoever asked for this export may not export this list any more.")
    if job.clear and not (clear_allowed() and job.approved_by):
        raise DomainError("Exports with phone numbers in clear are not allowed here.")
    content, counted = CONTENTS[job.kind], _Counter(held)
    vault = PhoneVault.of(current_app.config["SETTINGS"]) if job.clear else None
    query = Selection.of_json(content.model, job.filters, person).query()
    counted.total = query.count()
    name = f"{uuid.uuid4().hex}.{job.format}"
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    first = watermark(job.requested_by, job.created_at, job.approved_by if job.clear else None)
    found = counted(rows(content, query, vault))
    write_table(_folder() / name, job.format, first, content.header(), found)
    return name, counted.done


class _Counter:
    """Counts rows as they pass, and writes progress to the job at most once per percent."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.total = self.done = self.shown = 0

    def __call__(self, passing: Iterable[list[str]]) -> Iterator[list[str]]:
        for row in passing:
            yield row
            self.done += 1
            percent = min(99, self.done * 100 // max(self.total, 1))
            if percent != self.shown:
                self.shown = percent
                self.held.write(progress=percent)


def _local(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(current_app.config["SETTINGS"].zone)


def _folder() -> Path:
    folder: Path = current_app.config["SETTINGS"].data_dir / "exports"
    return folder
