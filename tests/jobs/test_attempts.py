"""Attempts of background work: given up after several dead workers; a database restart doesn't count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import audit_jobs, bulk
from app.exports import jobs as exports
from app.extensions import db
from app.jobs.leases import MAX_ATTEMPTS
from app.journeys import simulations
from app.models import AuditJob, Backtest, BulkJob, ExportJob, JobRun, JourneySimulation, OutreachBatch
from app.outreach import preflight
from app.rules import backtest_jobs
from app.t1.execute import execute
from tests.access.world import World
from tests.conftest import make_staff


class Work(NamedTuple):
    """A kind of background work: its row in the world, its function, and a function in the middle of it."""

    model: Any
    name: str
    do: Callable[[int], None]
    middle: str


WORK = {
    "export": Work(ExportJob, "my_export", exports.make_export, "app.exports.jobs.write_table"),
    "bulk change": Work(BulkJob, "bulk", bulk.work_on, "app.bulk._in_chunks"),
    "back-test": Work(Backtest, "running_backtest", backtest_jobs.work_on, "app.rules.backtest.check"),
    "simulation": Work(
        *(JourneySimulation, "running_simulation", simulations.work_on),
        "app.journeys.simulations.check_period",
    ),
    "change log": Work(AuditJob, "my_audit", audit_jobs.work_on, "app.audit_jobs._requester"),
    "T+1": Work(JobRun, "held", execute, "app.t1.execute.ingest_logs"),
    "outreach": Work(OutreachBatch, "outreach_checked", preflight.run, "app.outreach.preflight._check"),
}


@pytest.fixture(params=WORK)
def work(request: pytest.FixtureRequest) -> Work:
    return WORK[request.param]


@pytest.fixture
def under_way(world: World, session: Session, work: Work) -> Callable[..., Any]:
    """Assign the row to a dead worker. Return the row."""
    asker = make_staff(session, "asker", "Admin").username

    def put(**values: Any) -> Any:
        status = "checking" if work.model is OutreachBatch else "running"
        silent = {"lease_until": func.now() - dt.timedelta(hours=1)} if work.model is JobRun else {}
        mine = work.model.id == world.ids[work.name]
        if "requested_by" in work.model.__table__.columns:
            silent |= {"requested_by": asker}
        session.execute(update(work.model).where(mine).values(status=status, **silent, **values))
        session.commit()
        return session.scalars(select(work.model).where(mine)).one()

    return put


def said(row: Any) -> str:
    return str(row.error)


@pytest.mark.parametrize("restarted", [True, False])
def test_a_restart_of_the_database_is_no_attempt(
    app: Flask, session: Session, work: Work, under_way: Callable[..., Any], restarted: bool
) -> None:
    began = func.pg_postmaster_start_time() - dt.timedelta(seconds=1) if restarted else func.now()
    row = under_way(attempts=MAX_ATTEMPTS, attempted_at=began)
    with app.app_context(), suppress(Exception):
        work.do(row.id)
    session.refresh(row)
    assert row.attempts == MAX_ATTEMPTS + (0 if restarted else 1)
    assert any(word in said(row) for word in ("interrupted", "中断")) != restarted
    assert restarted or row.status == "failed"


def test_work_that_loses_the_database_waits_for_it(
    app: Flask, session: Session, work: Work, under_way: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = under_way()
    before = row.status

    def lose(*_args: Any, **_named: Any) -> None:
        db.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    monkeypatch.setattr(work.middle, lose)
    with app.app_context(), pytest.raises(OperationalError):
        work.do(row.id)
    session.refresh(row)
    assert (row.status, row.attempts) == (before, 1)
    assert said(row) == "None"
