"""Corrections of log deliveries: a file that was read is withdrawn, or replaced by another one.

A second person approves a correction, and a worker carries it out. The operator of the machine can apply one
at once by command. Repeating it after a crash changes nothing, as the store knows what it has done.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import exists, false, or_, select

from app import approvals
from app.activity import store
from app.activity.errors import ActivityError, RefusedFile
from app.activity.formats.files import ENDINGS, fingerprint, split_ending
from app.activity.progress import Progress
from app.approvals.requests import CommandUser
from app.errors import N_, DomainError
from app.extensions import db
from app.jobs.leases import check_attempts
from app.jobs.requested import OPEN, JobTable, recording_failure
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.lib.spreadsheet import printable_name
from app.models import Approval, Hit, IngestFile, JobRun, LogCorrection, RuleVersion, RunStatus, Staff
from app.rules.lead_filter import segments_of
from app.rules.versions import active_versions, rule_def
from app.t1 import runs
from app.t1.correction_approval import KIND, forget, kept_file
from app.t1.deliveries import copy_journal, recount_runs

if TYPE_CHECKING:
    from werkzeug.datastructures import FileStorage

    from app.activity import withdraw as engine
else:
    engine = lazy("app.activity.withdraw")

JOBS = JobTable(LogCorrection, "app.jobs.t1.correct")
#: hexadecimal digits of a digest that are enough to name a file
SHORT_DIGEST = 8
#: so long a copy without a correction is kept: it is being made, or an upload waits for its reason
KEPT_SECONDS = 24 * 3600
NO_REASON = N_("State a reason; it is kept with the file and in the change log.")


def find_file(named: str) -> IngestFile:
    """Return the read file with this digest (or its first digits), path or name.

    Raises DomainError when there is none or more than one.
    """
    criterion = IngestFile.name == named
    if re.fullmatch(rf"[0-9a-f]{{{SHORT_DIGEST},64}}", named):
        criterion = or_(criterion, IngestFile.digest.startswith(named))
    elif Path(named).is_file():
        criterion = or_(criterion, IngestFile.digest == _digest(Path(named)))
    files = db.session.scalars(select(IngestFile).where(criterion)).all()
    if not files:
        raise DomainError("No file “%(name)s” was read.", name=printable_name(named))
    if len(files) > 1:
        raise DomainError("%(n)s files fit “%(name)s”; name one by its digest.", n=len(files), name=named)
    return files[0]


def request(
    file: IngestFile, user: Staff | CommandUser, reason: str, replacement: Path | None = None
) -> Approval:
    """Submit a correction for a second person's approval. Commits.

    Raises DomainError without a reason, for a file that can't be withdrawn, and while it is being corrected.
    """
    correction = _new(file, user.username, reason, replacement)
    with _forgetting(correction):
        approval = approvals.submit(KIND, correction.id, user, reason)
        db.session.commit()
    return approval


def apply_at_once(
    file: IngestFile, user: str, reason: str, replacement: Path | None = None
) -> dict[str, Any]:
    """Correct a file without a second person, and note so. Return the result.

    Raises DomainError as ``request`` does, and when the store refuses the correction.
    """
    correction = _new(file, user, reason, replacement)
    with _forgetting(correction):
        correction.by_command, correction.status = True, RunStatus.QUEUED
        db.session.commit()
    execute(correction.id)
    db.session.expire_all()
    if correction.error is not None:
        raise DomainError(correction.error.message, **correction.error.values)
    return dict(correction.result or {})


def receive(upload: FileStorage, file: IngestFile, user: Staff) -> str:
    """Keep an uploaded file that is to replace another, until ``request`` copies it. Return its key.

    Raises DomainError when it can't replace the file.
    """
    name = printable_name(Path(upload.filename or "").name)[-200:]
    if not split_ending(Path(name))[0]:
        raise DomainError(
            "%(file)s is no log file: its name has to end with one of %(endings)s.",
            file=name or "–",
            endings=", ".join(ENDINGS),
        )
    key = uuid.uuid4().hex
    folder = _uploads(file, user, key)
    (folder / "file").mkdir(parents=True, mode=0o700)
    try:
        upload.save(folder / "file" / name)
        found = _outlook(file, folder / "file" / name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / "outlook.json").write_bytes(orjson.dumps(found))
    return key


def received(file: IngestFile, user: Staff, key: str) -> tuple[Path, dict[str, Any]] | None:
    """Return the user's uploaded file with what it would do, None when it is no longer kept."""
    folder = _uploads(file, user, key)
    if not re.fullmatch(r"[0-9a-f]{32}", key) or not (folder / "outlook.json").is_file():
        return None
    return next((folder / "file").iterdir()), orjson.loads((folder / "outlook.json").read_bytes())


def discard(file: IngestFile, user: Staff, key: str) -> None:
    """Delete an uploaded file."""
    if received(file, user, key) is not None:
        shutil.rmtree(_uploads(file, user, key), ignore_errors=True)


def _uploads(file: IngestFile, user: Staff, key: str) -> Path:
    return current_settings().data_dir / "corrections" / f"upload-{user.id}-{file.id}-{key}"


def _outlook(file: IngestFile, replacement: Path) -> dict[str, Any]:
    """Return what a replacement would do, with the dates to evaluate again. Raises DomainError."""
    settings = current_settings()
    try:
        found = engine.outlook(
            activity_root(settings),
            file.digest,
            replacement,
            timezone=settings.timezone,
            now=clock.now(),
            settings=engine_settings(settings),
        )
    except ActivityError as error:
        raise DomainError(error.message, **error.values) from error
    days = [day.isoformat() for day in found.days]
    return asdict(found) | {"days": days, "evaluated": [d.isoformat() for d in _evaluated_with(found.days)]}


def newest(file: IngestFile) -> LogCorrection | None:
    """Return the newest correction of a file."""
    query = select(LogCorrection).where(LogCorrection.file_id == file.id).order_by(LogCorrection.id.desc())
    return db.session.scalars(query.limit(1)).one_or_none()


def can_correct(file: IngestFile) -> bool:
    """Return whether a correction of the file can be requested."""
    last = newest(file)
    return file.withdrawn_at is None and (last is None or last.status not in (RunStatus.ASKED, *OPEN))


def days_to_evaluate_again(file: IngestFile) -> list[dt.date]:
    """Return the dates that the file's newest correction may have changed and that were not run since."""
    last = newest(file)
    if last is None or last.status != RunStatus.DONE or last.result is None:
        return []
    # By now some may be past retention.
    days = _complete(map(dt.date.fromisoformat, last.result["days"]))
    since = or_(JobRun.status.in_(OPEN), JobRun.started_at > last.finished_at)
    query = select(JobRun.day).where(JobRun.kind == runs.KIND, JobRun.day.in_(days), since)
    done = set(db.session.scalars(query))
    return [day for day in days if day not in done]


def evaluate_again(file: IngestFile, user: str) -> list[dt.date]:
    """Queue runs of the dates that a correction changed, committing each. Return the dates."""
    days = days_to_evaluate_again(file)
    for day in days:
        runs.request_run(day, user)
    return days


def execute(correction_id: int) -> None:
    """Carry out an approved correction; do nothing when another worker holds it or it is over."""
    with JOBS.owned(correction_id) as owned:
        if owned is None:
            return
        correction, held = owned
        with recording_failure(held, owned.fail):
            check_attempts(correction.attempts)
            try:
                result = _carry_out(correction, lambda part: held.write(progress=_percent(part)))
            except ActivityError as error:
                raise DomainError(error.message, **error.values) from error
            owned.done(result=result)
        db.session.refresh(correction)
        if correction.status == RunStatus.FAILED:
            _put_away(correction)


def tick() -> None:
    """Nudge approved corrections, and delete copies of files that nobody will read. Called by the ticker."""
    JOBS.nudge_all()
    folder = current_settings().data_dir / "corrections"
    for each in folder.iterdir() if folder.is_dir() else ():
        key = each.name.removeprefix("correction-")
        status = select(LogCorrection.status).where(LogCorrection.id == int(key)) if key.isdecimal() else None
        found = db.session.scalar(status) if status is not None else None
        # A new correction is not in sight before its copy is complete, and an upload waits for its reason.
        if found not in (RunStatus.ASKED, *OPEN) and (found is not None or _is_old(each)):
            shutil.rmtree(each, ignore_errors=True)


def _is_old(path: Path) -> bool:
    age = clock.now().timestamp() - path.stat().st_mtime
    return age > KEPT_SECONDS


def _new(file: IngestFile, user: str, reason: str, replacement: Path | None) -> LogCorrection:
    if not reason.strip():
        raise DomainError(NO_REASON)
    state = store.snapshot(activity_root(current_settings()))
    try:
        engine.find(state, file.digest)
    except ActivityError as error:
        raise DomainError(error.message, **error.values) from error
    if not can_correct(file):
        raise DomainError("%(file)s is being corrected already.", file=file.name)
    correction = LogCorrection(file=file, reason=reason.strip()[:500], requested_by=user)
    db.session.add(correction)
    db.session.flush()
    if replacement is not None:
        correction.digest = _digest(replacement)
        correction.replacement = printable_name(replacement.name)[-200:]
        _keep(replacement, correction)
    db.session.flush()
    return correction


def _digest(path: Path) -> str:
    try:
        return fingerprint(path).digest
    except RefusedFile as error:
        raise DomainError(error.message, **error.values) from error


def _keep(replacement: Path, correction: LogCorrection) -> None:
    """Keep a copy of the file as it was when it was named; the approved digest is checked again."""
    target = kept_file(correction)
    with _forgetting(correction):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(replacement, target)


@contextmanager
def _forgetting(correction: LogCorrection) -> Iterator[None]:
    """Delete the copy again when what is done inside fails."""
    folder = kept_file(correction).parent
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _percent(part: Progress) -> int:
    """Return how much of a correction is done: dates without the file, then dates with the other one."""
    begins = 5 if part.step == "withdraw" else 50
    return begins + 45 * part.done // max(part.total, 1)


def _carry_out(correction: LogCorrection, progress: Callable[[Progress], None]) -> dict[str, Any]:
    settings = current_settings()
    done = engine.result_of(store.snapshot(activity_root(settings)), correction.source)
    if done is None:
        replacement = kept_file(correction) if correction.replacement else None
        if replacement and _digest(replacement) != correction.digest:
            raise DomainError("The replacement has changed since it was requested.")
        done = engine.withdraw(
            activity_root(settings),
            correction.file.digest,
            {"source": correction.source, "reason": correction.reason},
            timezone=settings.timezone,
            replacement=replacement,
            now=clock.now(),
            settings=engine_settings(settings),
            progress=progress,
        )
    copy_journal(settings)
    recount_runs(settings)
    if correction.replacement:
        _move_to_delivered(kept_file(correction))
    days = [day.isoformat() for day in _evaluated_with(done.days)]
    return {"withdrawn": done.withdrawn, "accepted": done.accepted, "days": days}


def _put_away(correction: LogCorrection) -> None:
    """Delete the copy of a correction that failed, unless the store has read it nevertheless."""
    state = store.snapshot(activity_root(current_settings()))
    if correction.replacement and engine.version_of(state, correction.source):
        _move_to_delivered(kept_file(correction))
    forget(correction)


def _move_to_delivered(path: Path) -> None:
    """Keep the replacement as long as other files that were read."""
    target = current_settings().data_dir / "delivered" / path.parent.name / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    # It was moved before a crash.
    with suppress(FileNotFoundError):
        shutil.move(path, target)


def _evaluated_with(days: Iterable[dt.date]) -> list[dt.date]:
    """Return the complete dates whose evaluation saw one of the dates, by the widest window.

    That is of the versions in force, and of those that hits since then are of, with what their lead filters
    and the segments named there look at.
    """
    changed = set(days)
    since = (Hit.live, Hit.hit_date >= min(changed)) if changed else (false(),)
    made = select(RuleVersion).where(exists().where(Hit.version_id == RuleVersion.id, *since))
    former = db.session.scalars(made).all()
    definitions = [rule_def(version) for version in (*active_versions(), *former)]
    segments = [each for one in definitions for each in segments_of(one.lead_filter)]
    widths = [width for each in (*definitions, *segments) for width in _windows(each.model_dump())]
    seen = {day + dt.timedelta(days=n) for day in changed for n in range(max(widths, default=1))}
    return _complete(seen)


def _complete(days: Iterable[dt.date]) -> list[dt.date]:
    """Return the dates that can be evaluated: they are over, and their events are kept."""
    today, kept = clock.today(), current_settings().events_retention_days
    return sorted(day for day in days if today - dt.timedelta(days=kept) <= day < today)


def _windows(definition: Any) -> Iterator[int]:
    """Yield the widths of all windows in a definition, those of its lead filter too."""
    if isinstance(definition, dict):
        if isinstance(definition.get("window_days"), int):
            yield definition["window_days"] + (definition.get("against_days") or 0)
        definition = list(definition.values())
    if isinstance(definition, list):
        for part in definition:
            yield from _windows(part)
