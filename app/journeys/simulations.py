"""Simulations of journeys as background jobs whose results are kept with the version."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import current_app
from flask_babel import force_locale
from sqlalchemy import delete, insert, select, update

from app.errors import DomainError
from app.exports.content import watermark
from app.exports.files import write_table
from app.extensions import db
from app.jobs.leases import Held, check_attempts
from app.jobs.requested import OPEN, JobTable, recording_failure
from app.journeys import check, report, sample
from app.journeys.callers import Desks
from app.journeys.definition import JourneyDef
from app.journeys.figures import figures
from app.journeys.report import Assumed, Replay, check_period
from app.journeys.versions import journey_def
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import (
    Hit,
    JourneySimulation,
    JourneySimulationPath,
    JourneyVersion,
    Lead,
    RunStatus,
    Staff,
)
from app.rules.definition import canonical
from config import Settings

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

JOBS = JobTable(JourneySimulation, "app.jobs.simulations.run")
#: simulations in progress per user at most, and those that are kept of a version
MAX_OPEN, KEPT = 3, 20
MAX_DAYS = 366
#: customers whose paths can be asked for
MAX_LEADS = 20


@dataclass(frozen=True)
class Wanted:
    """What to simulate: the days, the assumed answers, and what a marketer can do on a day.

    ``leads`` are numbers of customers whose paths are to be kept.
    """

    first: dt.date
    last: dt.date
    answers: Assumed
    calls_a_day: int | None = None
    leads: tuple[str, ...] = ()


def proposed() -> Wanted:
    """Return a sensible period: the 30 days up to yesterday, or up to the newest hit if that is older."""
    last = clock.today() - dt.timedelta(days=1)
    newest = db.session.scalar(select(Hit.hit_date).order_by(Hit.hit_date.desc()).limit(1))
    if newest is not None:
        last = min(last, newest + dt.timedelta(days=1))
    return Wanted(last - dt.timedelta(days=29), last, "past")


def request_simulation(version: JourneyVersion, wanted: Wanted, username: str) -> JourneySimulation:
    """Request a simulation of a version, commit, and nudge a worker.

    Raises DomainError for a version that can't run, a period that is not over or longer than MAX_DAYS,
    unknown customers, and when the user already has MAX_OPEN simulations in progress.
    """
    definition = journey_def(version)
    _check(definition, wanted)
    if JOBS.count_open(username) >= MAX_OPEN:
        raise DomainError("You have %(n)s simulations in progress. Wait until one has finished.", n=MAX_OPEN)
    row = JourneySimulation(
        version_id=version.id,
        digest=digest(definition),
        first_day=wanted.first,
        last_day=wanted.last,
        answers=wanted.answers,
        calls_a_day=wanted.calls_a_day,
        lead_numbers=list(wanted.leads),
        requested_by=username,
    )
    db.session.add(row)
    db.session.commit()
    JOBS.nudge(row.id)
    return row


def _check(definition: JourneyDef, wanted: Wanted) -> None:
    for each in check.problems(definition, check.read_known()):
        raise each.error
    if wanted.first > wanted.last:
        raise DomainError("The period ends before it begins.")
    check_period((wanted.first, wanted.last))
    if (wanted.last - wanted.first).days >= MAX_DAYS:
        raise DomainError("A simulation covers %(n)s days at most.", n=MAX_DAYS)
    if len(wanted.leads) > MAX_LEADS:
        raise DomainError("Name %(n)s customers at most.", n=MAX_LEADS)
    known = set(db.session.scalars(select(Lead.lead_no).where(Lead.lead_no.in_(wanted.leads))))
    missing = [each for each in wanted.leads if each not in known]
    if missing:
        raise DomainError("There is no customer with the number %(lead_no)s.", lead_no=missing[0])


def digest(definition: JourneyDef) -> str:
    """Return a digest that is equal for equal definitions."""
    return hashlib.sha256(canonical(definition).encode()).hexdigest()


def is_of_former(row: JourneySimulation) -> bool:
    """Return whether the version was changed since it was simulated."""
    try:
        return digest(journey_def(row.version)) != row.digest
    except DomainError:
        return True


def newest(version_id: int) -> JourneySimulation | None:
    """Return the newest finished simulation of a version."""
    query = select(JourneySimulation).where(
        JourneySimulation.version_id == version_id, JourneySimulation.status == RunStatus.DONE
    )
    return db.session.scalar(query.order_by(JourneySimulation.id.desc()).limit(1))


def cancel(row: JourneySimulation) -> None:
    """Cancel a waiting or running simulation; the worker notices soon. Raises DomainError."""
    cancellation = (
        update(JourneySimulation)
        .where(JourneySimulation.id == row.id, JourneySimulation.status.in_(OPEN))
        .values(status=RunStatus.CANCELLED, finished_at=clock.BEGAN)
    )
    if db.session.execute(cancellation.returning(JourneySimulation.id)).first() is None:
        raise DomainError("This simulation is no longer in progress.")


def work_on(simulation_id: int) -> None:
    """Run a waiting simulation. Does nothing when another worker has it or it has ended."""
    with JOBS.owned(simulation_id, started_at=clock.BEGAN) as owned:
        if owned is None:
            return
        row, held = owned
        user = db.session.scalar(select(Staff).where(Staff.username == row.requested_by))
        language = user.language if user else current_app.config["BABEL_DEFAULT_LOCALE"]
        with force_locale(language), recording_failure(held, owned.fail):
            check_attempts(row.attempts)
            with ExitStack() as undo:
                owned.done(**_run(row, held, undo))
                undo.pop_all()
            _forget_old(row.version_id, current_settings())


def _run(row: JourneySimulation, held: Held, undo: ExitStack) -> dict[str, Any]:
    """Run the simulation, and that of the version in force over the same days. Return the column values.

    What was stored beside the row is taken back by ``undo`` when the simulation is cancelled or fails.
    """
    config, definition = current_settings(), journey_def(row.version)
    wanted = Wanted(row.first_day, row.last_day, row.answers, row.calls_a_day, tuple(row.lead_numbers))  # type: ignore[arg-type]
    _check(definition, wanted)
    active = row.version.journey.active_version
    other = active if active is not None and active.id != row.version_id else None
    progress = _Progress(held, 2 if other is not None else 1)
    result, file = _simulated(row, definition, wanted, config, progress, undo)
    if other is not None:
        result["active"] = {"number": other.number, **_other(other, wanted, config, progress)}
    return {"result": result, "digest": digest(definition), "file": file}


def _simulated(
    row: JourneySimulation,
    definition: JourneyDef,
    wanted: Wanted,
    config: Settings,
    progress: _Progress,
    undo: ExitStack,
) -> tuple[dict[str, Any], str]:
    replay, desks = _read(row.version.journey_id, definition, wanted, config, progress)
    tally = replay.run(None, desks.callers, progress.chunks)
    drawn = sample.drawn(replay, tally.entered, wanted.leads)
    name = f"{uuid.uuid4().hex}.csv"
    undo.callback((folder(config) / name).unlink, missing_ok=True)
    _write_file(row, replay, drawn, config, name)
    undo.callback(_forget_paths, _store_paths(row.id, drawn.paths, config))
    facts = {"drawn": drawn.enrolments, "of": drawn.of, "rows": len(drawn.rows.who)}
    return {"number": row.version.number, **figures(replay, tally, desks), "sample": facts}, name


def _other(version: JourneyVersion, wanted: Wanted, config: Settings, progress: _Progress) -> dict[str, Any]:
    progress.next_part()
    replay, desks = _read(version.journey_id, journey_def(version), wanted, config, progress)
    return figures(replay, replay.run(None, desks.callers, progress.chunks), desks)


def _read(
    journey_id: int, definition: JourneyDef, wanted: Wanted, config: Settings, progress: _Progress
) -> tuple[Replay, Desks]:
    progress.at(0)
    replay = Replay.of(journey_id, definition, config, (wanted.first, wanted.last), wanted.answers)
    progress.at(_Progress.READING)
    return replay, Desks(replay.past)


class _Progress:
    """Stores how far a simulation of some parts is, in percent; each part is read, then run."""

    READING, RUNNING = 40, 90

    def __init__(self, held: Held, parts: int) -> None:
        self._held, self._parts, self._done, self._told = held, parts, 0, -1

    def next_part(self) -> None:
        """Begin the next part."""
        self._done += 1

    def at(self, percent: int) -> None:
        """Store that a part is so far. Raises LeaseLost once the simulation was cancelled."""
        told = min(99, (100 * self._done + percent) // self._parts)
        if told != self._told:
            self._told = told
            self._held.write(progress=told)

    def chunks(self, done: int, total: int) -> None:
        """Store that so many chunks of people have been led through."""
        self.at(self.READING + (self.RUNNING - self.READING) * done // total)


# -- what is kept beside the figures -------------------------------------------------------------------


def file_of(row: JourneySimulation) -> Path | None:
    """Return the path of the file of steps, None when there is none or it was deleted."""
    path = folder(current_settings()) / row.file if row.file else None
    return path if path is not None and path.is_file() else None


def folder(config: Settings) -> Path:
    """Return where the files of steps are."""
    return config.data_dir / "simulations"


def _write_file(
    row: JourneySimulation, replay: Replay, drawn: sample.Drawn, config: Settings, name: str
) -> None:
    folder(config).mkdir(parents=True, exist_ok=True, mode=0o700)
    table = report.worded(replay, config)(drawn.rows)
    first = watermark(row.requested_by, row.created_at)
    write_table(folder(config) / name, "csv", first, report.COLUMNS, _rows(table))


def _rows(table: pd.DataFrame) -> Iterator[list[str]]:
    yield from (list(map(str, row)) for row in table.itertuples(index=False, name=None))


def _store_paths(simulation_id: int, paths: list[sample.Path], config: Settings) -> list[int]:
    """Store the paths in place of those of an earlier attempt. Return their ids."""
    local = _local(config)
    rows = [
        {
            "simulation_id": simulation_id,
            "lead_id": path.lead_id,
            "kind": path.kind,
            "why": path.why,
            "asked_for": path.asked_for,
            "steps": [
                [step, local(due), None if at is None else local(at), status, why]
                for step, due, at, status, why in path.steps
            ],
        }
        for path in paths
    ]
    before = delete(JourneySimulationPath).where(JourneySimulationPath.simulation_id == simulation_id)
    with db.engine.begin() as connection:
        connection.execute(before)
        made = insert(JourneySimulationPath).values(rows).returning(JourneySimulationPath.id)
        return list(connection.scalars(made)) if rows else []


def _forget_paths(ids: list[int]) -> None:
    with db.engine.begin() as connection:
        connection.execute(delete(JourneySimulationPath).where(JourneySimulationPath.id.in_(ids)))


def _local(config: Settings) -> Callable[[int], str]:
    return lambda moment: dt.datetime.fromtimestamp(moment, config.zone).isoformat()


def _forget_old(version_id: int, config: Settings) -> None:
    """Delete the simulations of a version that has more than are kept, the oldest first."""
    finished = select(JourneySimulation).where(
        JourneySimulation.version_id == version_id, JourneySimulation.status.not_in(OPEN)
    )
    for row in db.session.scalars(finished.order_by(JourneySimulation.id.desc()).offset(KEPT)).all():
        if row.file:
            (folder(config) / row.file).unlink(missing_ok=True)
        db.session.delete(row)
    db.session.commit()
