"""Retention deletes data past its period and nothing else, and can be repeated."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.jobs import daily, ticker
from app.leads.error_file import error_file_path
from app.models import Delivery, ExportJob, Hit, ImportBatch, Lead, PushHit, Reminder, Reveal, Tag
from config import Settings
from tests import clock
from tests.access.push_world import reminder_for
from tests.access.world import World, build

NOW = clock.now()
OLD, YOUNG = NOW - dt.timedelta(days=31), NOW - dt.timedelta(days=29)


@pytest.fixture
def world(app: Flask, session: Session) -> World:
    """Leads deleted long ago and recently, each with hits, a reveal and a tag."""
    world = build(session, app.config["SETTINGS"])
    for name, when in (("home", OLD), ("away", YOUNG)):
        lead = session.get_one(Lead, world.ids[f"lead_{name}"])
        lead.deleted_at = when
        lead.tags = [Tag(name=name, created_by="x")]
        session.add(Reveal(lead_id=lead.id, reason="回电客户", revealed_by="k", address="::1"))
    session.commit()
    return world


def run(cli: Callable[..., Any]) -> dict[str, int]:
    result = cli("retention", "run", "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, int] = json.loads(result.stdout)
    return found


def test_leads_deleted_long_ago_go_with_all_that_hangs_on_them(
    world: World, session: Session, cli: Callable[..., Any]
) -> None:
    found = run(cli)
    assert (found["leads"], found["hits"], found["reveals"]) == (1, 3, 1)
    session.expire_all()
    left = set(session.scalars(select(Lead.id)))
    assert left == {world.ids["lead_away"], world.ids["lead_sub"]}
    assert session.scalar(select(func.count()).select_from(Hit)) == 6
    assert session.scalar(select(func.count()).select_from(Reveal)) == 1
    assert run(cli)["leads"] == 0


def aged(path: Path, days: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    when = NOW.timestamp() - days * 86400
    os.utime(path, (when, when))
    return path


def test_old_error_files_and_exports_are_deleted(
    app: Flask, settings: Settings, session: Session, cli: Callable[..., Any]
) -> None:
    folder = settings.data_dir / "exports"
    batches = [
        ImportBatch(
            file_name="a.csv",
            file_digest="0" * 64,
            status="done",
            created_by="x",
            error_file="x",
            finished_at=when,
        )
        for when in (OLD, YOUNG)
    ]
    jobs = [
        ExportJob(
            kind="leads", format="csv", status="done", requested_by="x", file=f"{name}.csv", finished_at=when
        )
        for name, when in (("old", OLD), ("young", YOUNG))
    ]
    session.add_all([*batches, *jobs])
    session.commit()
    errors = [aged(error_file_path(settings, batch.id), 1) for batch in batches]
    exports = [aged(folder / str(job.file), 1) for job in jobs]
    part, scratch = aged(folder / "x.part", 31), aged(folder / "tmp-x" / "sheet", 31)
    running = aged(folder / "y.part", 0)
    found = run(cli)
    assert (found["error_files"], found["exports"]) == (1, 1)
    assert [path.exists() for path in (*errors, *exports)] == [False, True, False, True]
    assert [path.exists() for path in (part, scratch, running)] == [False, False, True]
    session.expire_all()
    assert [batch.error_file for batch in batches] == [None, "x"]
    assert [job.file for job in jobs] == [None, "young.csv"]
    assert run(cli)["error_files"] == 0


def test_log_files_past_the_retention_of_events_are_deleted(
    app: Flask, settings: Settings, cli: Callable[..., Any]
) -> None:
    old = [aged(settings.data_dir / name / "bank" / "a.csv", 401) for name in ("quarantine", "delivered")]
    kept = [aged(settings.data_dir / name / "b.csv", 399) for name in ("quarantine", "delivered", "inbox")]
    assert run(cli)["log_files"] == 2
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_a_worker_purges_once_a_day(app: Flask, world: World, session: Session, redis: Redis) -> None:
    class TwoTicks:
        """Stops the ticker after its second tick."""

        ticks = 0

        def is_set(self) -> bool:
            return self.ticks == 2

        def wait(self, seconds: float) -> bool:
            self.ticks += 1
            asked.append(redis.lrem("rq:queue:default", 0, "app-jobs-daily-retention-0-0"))
            redis.delete("rq:job:app-jobs-daily-retention-0-0")
            return False

    asked: list[int] = []
    with app.app_context():
        ticker.run_forever(TwoTicks(), 0)  # type: ignore[arg-type]
        assert asked == [1, 0]
        daily.retention(0)
    assert session.scalar(select(func.count()).select_from(Lead)) == 2


def test_old_reminders_and_deliveries_go_and_no_hit_is_pushed_again(
    app: Flask, session: Session, cli: Callable[..., Any]
) -> None:
    world = build(session, app.config["SETTINGS"])
    before = NOW - dt.timedelta(days=401)
    session.get_one(Delivery, world.ids["dead_delivery"]).done_at = before
    session.get_one(Reminder, reminder_for(session, world.ids["staff"])).created_at = before
    session.commit()
    found = run(cli)
    assert (found["deliveries"], found["reminders"]) == (1, 1)
    session.expire_all()
    assert session.get(Delivery, world.ids["dead_delivery"]) is None
    assert session.get(Delivery, world.ids["delivery"]) is not None, "it still waits"
    assert session.scalars(select(PushHit.hit_id)).all() == [world.ids["hit_home_waiting"]]
