"""A DATA_DIR with another installation's database: nothing starts and nothing is written."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

import run
from app import installation
from app.installation import MismatchError
from app.models import JobRun, RunStatus
from app.t1.execute import execute
from config import Settings

DAY = "2026-10-01"


@pytest.fixture
def foreign(settings: Settings, engine: Engine, tmp_path: Path) -> Settings:
    """Return a second host's settings: the same database with another DATA_DIR."""
    installation.check(engine, settings)
    return dataclasses.replace(settings, data_dir=tmp_path / "second")


def test_a_pair_without_an_id_gets_one_silently(
    cli: Callable[..., Any], settings: Settings, session: Session
) -> None:
    done = cli("rules", "preview", "R-NONE", "--from", DAY, "--to", DAY)
    assert "installation" not in done.stderr
    path = settings.data_dir / "installation"
    assert path.stat().st_mode & 0o777 == 0o600
    assert session.scalar(text("SELECT code FROM installation")) == path.read_text().strip()


def test_a_database_without_an_id_takes_that_of_its_data_dir(
    settings: Settings, engine: Engine, session: Session
) -> None:
    code = installation.check(engine, settings)
    session.execute(text("DELETE FROM installation"))
    session.commit()
    assert installation.check(engine, settings) == code


def test_an_id_half_written_is_taken_up(settings: Settings, engine: Engine, session: Session) -> None:
    """The process ended after writing the file and before writing the row."""
    settings.data_dir.mkdir()
    mine = "11111111-2222-3333-4444-555555555555"
    (settings.data_dir / "installation").write_text(mine)
    assert installation.check(engine, settings) == mine
    assert session.scalar(text("SELECT code FROM installation")) == mine


@pytest.mark.parametrize(
    "words",
    [
        ("logs", "ingest", "nowhere"),
        ("leads", "import", "nowhere.csv"),
        ("rules", "evaluate", "--as-of", DAY),
        ("retention", "run"),
        ("push", "tick"),
        ("ticker",),
        ("worker", "t1", "--burst"),
    ],
)
def test_commands_refuse_another_data_dir(words: tuple[str, ...], foreign: Settings, app: Flask) -> None:
    app.config["SETTINGS"] = foreign
    done = app.test_cli_runner().invoke(args=list(words))
    assert done.exit_code == 1
    assert str(foreign.data_dir) in done.stderr
    assert "flask store adopt" in done.stderr
    assert "no installation yet" in done.stderr


def test_a_foreign_worker_leaves_the_run_to_others(
    foreign: Settings, app: Flask, session: Session, settings: Settings
) -> None:
    run_ = JobRun(kind="t1", day=DAY, requested_by="x")
    session.add(run_)
    session.commit()
    app.config["SETTINGS"] = foreign
    with app.app_context(), pytest.raises(MismatchError, match="second"):
        execute(run_.id)
    session.refresh(run_)
    assert (run_.status, run_.attempts) == (RunStatus.QUEUED, 0)


def test_the_web_application_does_not_start(foreign: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", str(foreign.data_dir))
    monkeypatch.setenv("DATABASE_URL", foreign.database_url)
    monkeypatch.setenv("REDIS_URL", foreign.redis_url)
    with pytest.raises(MismatchError, match="adopt"):
        run.__getattr__("app")


def test_doctor_says_it(foreign: Settings, app: Flask) -> None:
    app.config["SETTINGS"] = foreign
    done = app.test_cli_runner().invoke(args=["doctor", "--json"])
    check = json.loads(done.stdout)["checks"]["installation"]
    assert done.exit_code == 1
    assert not check["ok"]
    assert "flask store adopt" in check["detail"]


def test_adopting_fits_the_new_data_dir_and_no_longer_the_former(
    foreign: Settings, settings: Settings, app: Flask, engine: Engine, session: Session
) -> None:
    former = installation.check(engine, settings)
    app.config["SETTINGS"] = foreign
    done = app.test_cli_runner().invoke(args=["store", "adopt", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["former"] == former
    assert "flask logs ingest" in done.stderr
    assert installation.check(engine, foreign) == told["installation"]
    with pytest.raises(MismatchError, match=str(former)):
        installation.check(engine, settings)
    noted = session.execute(
        text("SELECT object_id, source, changes ->> 'former' FROM change_log WHERE kind = 'store_adopted'")
    ).one()
    assert noted == (told["installation"], "cli", former)


def test_processes_that_start_at_once_agree(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    """On one DATA_DIR all processes agree; of several DATA_DIRs only the processes of one succeed."""
    homes = [settings, settings, settings, dataclasses.replace(settings, data_dir=tmp_path / "other")]
    barrier = threading.Barrier(len(homes))
    found: list[tuple[Path, str | None]] = []

    def start(own: Settings) -> None:
        barrier.wait()
        try:
            found.append((own.data_dir, installation.check(engine, own)))
        except MismatchError:
            found.append((own.data_dir, None))

    threads = [threading.Thread(target=start, args=(own,)) for own in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = {home: {code for at, code in found if at == home} for home, _ in found}
    assert sorted(len(codes) for codes in answers.values()) == [1, 1]
    assert sum(codes == {None} for codes in answers.values()) == 1
