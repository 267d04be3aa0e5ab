"""The ticker: goes on when a step fails, reports it, and nudges once for each row."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app import doctor
from app.extensions import db
from app.jobs import QUEUES, ticker
from app.jobs.nudges import nudge
from app.models import AuditJob, Backtest, BulkJob, ExportJob, ImportBatch, JobRun, OutreachBatch
from tests import clock
from tests.access.world import World
from tests.conftest import Person

NOW = clock.now()


@pytest.fixture
def broken(engine: Engine) -> Iterator[Callable[[bool], None]]:
    """Rename a table that a middle step reads, and restore it at the end."""

    def rename(old: str, new: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE IF EXISTS {old} RENAME TO {new}"))

    there, gone = "report_setting", "report_setting_away"
    yield lambda away: rename(there, gone) if away else rename(gone, there)
    rename(gone, there)


def check(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = doctor.run_checks(app.config["SETTINGS"])["checks"]["ticker"]
    return found


def test_a_failing_step_stops_no_other_and_is_shown_until_it_is_well(
    app: Flask, world: World, session: Session, login: Callable[..., Person], broken: Callable[[bool], None]
) -> None:
    admin = login("Admin")
    broken(True)
    with app.app_context():
        for minutes in range(3):
            ticker.tick(NOW + dt.timedelta(minutes=minutes))
        failing = check(app)
    assert not failing["ok"]
    assert failing["detail"].startswith("reports since")
    assert ", 3 times: " in failing["detail"]
    assert ";" not in failing["detail"], "no other step failed"
    assert "1 scheduled system tasks are failing" in admin.get("/reminderview/list/").text
    broken(False)
    said = admin.get("/jobrunview/list/").text
    assert "Weekly reports: failing since" in said
    assert "(3 times). An unexpected error (UndefinedTable): see the logs of ticker and workers." in said
    assert "psycopg" not in said
    assert "发生意外错误（UndefinedTable）" in login("Admin", language="zh").get("/jobrunview/list/").text
    with app.app_context():
        ticker.tick(NOW + dt.timedelta(minutes=4))
        well = check(app)
        told = db.session.scalars(
            text("SELECT message FROM reminder WHERE source = 'ticker' AND read_at IS NULL")
        ).all()
    assert well["ok"]
    assert "reports recovered at" in well["detail"]
    assert told == []
    assert "Weekly reports: recovered at" in admin.get("/jobrunview/list/").text


def queued_jobs(redis: Redis) -> dict[str, int]:
    """Return how often each row's job is queued."""
    found: dict[str, int] = {}
    for name in QUEUES:
        for each in redis.lrange(f"rq:queue:{name}", 0, -1):  # type: ignore[union-attr]
            found[each.decode()] = found.get(each.decode(), 0) + 1
    return found


@pytest.fixture
def waiting(session: Session, world: World) -> None:
    """Set every row with background work to waiting."""
    for model in (ExportJob, Backtest, BulkJob, AuditJob, JobRun):
        for row in session.scalars(select(model)):
            row.status = "queued"
    for row in session.scalars(select(ImportBatch)):
        row.status, row.upload = "running", "x.csv"
    for row in session.scalars(select(OutreachBatch)):
        row.status = "checking"
    session.commit()


def test_rows_that_wait_are_asked_for_once_in_many_rounds(app: Flask, redis: Redis, waiting: None) -> None:
    with app.app_context():
        ticker.tick(NOW)
        first = queued_jobs(redis)
        for round_ in range(20):
            ticker.tick(NOW + dt.timedelta(seconds=15 * round_))
    kinds = {name.rsplit("-", 2)[0] for name in first}
    assert {f"app-jobs-{kind}" for kind in ("exports-run", "backtests-run", "bulk-run", "audit-run")} <= kinds
    assert {"app-jobs-t1-run", "app-jobs-imports-run", "app-jobs-outreach-prepare"} <= kinds
    assert set(queued_jobs(redis).values()) == {1}
    assert len(redis.keys("rq:job:*")) == len(queued_jobs(redis))  # type: ignore[arg-type]


def work(settings: Any, name: str, *, burst: bool = True) -> subprocess.Popen[bytes]:
    """Start a worker of a queue for the jobs of tests/jobs/nudged.py."""
    code = (
        "import sys; from redis import Redis; from rq import Queue, Worker\n"
        "from rq.serializers import JSONSerializer\n"
        "c = Redis.from_url(sys.argv[1]); q = Queue(sys.argv[2], connection=c, serializer=JSONSerializer)\n"
        "Worker([q], connection=c, serializer=JSONSerializer, job_monitoring_interval=1).work(burst=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, settings.redis_url, name],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def job_of(redis: Redis, function: str, row: int) -> Job:
    return Job.fetch(f"{function.replace('.', '-')}-{row}-0", connection=redis, serializer=JSONSerializer)


def test_a_failed_job_is_asked_for_again(app: Flask, redis: Redis) -> None:
    with app.app_context():
        for _round in range(2):
            assert nudge("default", "tests.jobs.nudged.fail", 7)
            assert queued_jobs(redis) == {"tests-jobs-nudged-fail-7-0": 1}
            assert work(app.config["SETTINGS"], "default").wait(60) == 0
            assert job_of(redis, "tests.jobs.nudged.fail", 7).is_failed
            assert queued_jobs(redis) == {}
        assert 0 < redis.ttl("rq:job:tests-jobs-nudged-fail-7-0") <= 3600  # type: ignore[operator]
        assert Queue("default", connection=redis).failed_job_registry.count == 1


def test_a_job_at_work_is_not_asked_for_again_until_its_worker_is_dead(app: Flask, redis: Redis) -> None:
    begun = redis.pubsub()
    begun.subscribe("begun")
    begun.get_message(timeout=5)
    with app.app_context():
        nudge("default", "tests.jobs.nudged.hang", 7)
        worker = work(app.config["SETTINGS"], "default")
        horse = begun.get_message(timeout=60)
        assert horse is not None
        nudge("default", "tests.jobs.nudged.hang", 7)
        assert queued_jobs(redis) == {}
        for pid in (worker.pid, int(horse["data"])):
            os.kill(pid, signal.SIGKILL)
        worker.wait()
        nudge("default", "tests.jobs.nudged.hang", 7)
        assert queued_jobs(redis) == {}, "its last sign of life is young"
        long_ago = (
            (clock.now() - dt.timedelta(minutes=1)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        )
        redis.hset("rq:job:tests-jobs-nudged-hang-7-0", "last_heartbeat", long_ago)
        nudge("default", "tests.jobs.nudged.hang", 7)
        nudge("default", "tests.jobs.nudged.hang", 7)
        assert queued_jobs(redis) == {"tests-jobs-nudged-hang-7-0": 1}
        # Redis may not have noticed yet that the first one, who also waits, is dead.
        redis.rpush("stop", "for the dead", "for the living")
        assert work(app.config["SETTINGS"], "default").wait(60) == 0
    assert redis.keys("rq:job:*") == []
