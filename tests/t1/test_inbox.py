"""The inbox: complete, waiting and returned files, and what a run reports about them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.activity import store
from app.errors import DomainError
from app.extensions import db
from app.lib import clock as product_clock
from app.models import ChangeLog, InboxFile, IngestFile, JobRun, RunStatus
from app.t1 import deliveries, inbox, runs
from app.t1 import execute as execution
from app.t1.execute import execute
from config import Settings
from tests.conftest import Person

QUIET = dt.timedelta(seconds=120)


@pytest.fixture
def watched(app: Flask, session: Session) -> Iterator[Settings]:
    """Settings with which a file counts as complete after two minutes without a change."""
    settings = dataclasses.replace(app.config["SETTINGS"], inbox_quiet_seconds=120)
    app.config["SETTINGS"] = settings
    with app.app_context():
        yield settings


@pytest.fixture
def yesterday(watched: Settings) -> dt.date:
    return product_clock.today() - dt.timedelta(days=1)


def lines(day: dt.date, rows: int, first: int = 0) -> str:
    return "".join(
        json.dumps(
            {
                "request_id": f"{day}-{number}",
                "event_time": f"{day} 10:00:{number % 60:02d}",
                "event_type": "face_verify",
                "institution_code": "I1",
                "id_hash": "ab" * 32,
                "result": "success",
            }
        )
        + "\n"
        for number in range(first, first + rows)
    )


def put(settings: Settings, name: str, text: str) -> Path:
    path = inbox.inbox_folder(settings) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def pass_time(session: Session, by: dt.timedelta = QUIET) -> None:
    """Advance the database's clock for the files scanned so far."""
    session.execute(update(InboxFile).values(since=InboxFile.since - by, taken_at=InboxFile.taken_at - by))
    session.commit()


def seen(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the names of the complete and of the waiting files."""
    scan = inbox.scan(settings)
    return [path.name for path in scan.complete], [path.name for path in scan.waiting]


def run_day(day: dt.date) -> JobRun:
    run_id = runs.request_run(day, "tester").id
    execute(run_id)
    return fresh(run_id)


def fresh(run_id: int) -> JobRun:
    db.session.expire_all()
    return db.session.get_one(JobRun, run_id)


def page(app: Flask, client: Person, path: str) -> Any:
    """Return the response to a user, in an application context of its own."""
    with app.app_context():
        return client.get(path)


def test_a_file_is_complete_when_it_stayed_the_same(watched: Settings, session: Session) -> None:
    path = put(watched, "a.csv", "x")
    assert seen(watched) == ([], ["a.csv"])
    pass_time(session, QUIET - dt.timedelta(seconds=30))
    assert seen(watched) == ([], ["a.csv"])
    path.write_text("xy")
    assert seen(watched) == ([], ["a.csv"])
    pass_time(session, dt.timedelta(seconds=60))
    assert seen(watched) == ([], ["a.csv"])
    pass_time(session, dt.timedelta(seconds=60))
    assert seen(watched) == (["a.csv"], [])


@pytest.mark.parametrize("year", [1980, 2199])
def test_the_clock_of_the_sender_does_not_matter(watched: Settings, session: Session, year: int) -> None:
    moment = dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()
    os.utime(put(watched, "a.parquet", "x"), (moment, moment))
    assert seen(watched) == ([], ["a.parquet"])
    pass_time(session)
    assert seen(watched) == (["a.parquet"], [])


@pytest.mark.parametrize("name", [".a.csv.Xy12", "a.csv.part", "a.csv.tmp", "a.csv.filepart", ".new/a.csv"])
def test_a_rename_from_a_temporary_name_completes_a_file(watched: Settings, name: str) -> None:
    written = put(watched, name, "x")
    assert seen(watched) == ([], [])
    written.rename(inbox.inbox_folder(watched) / "a.csv")
    assert seen(watched) == (["a.csv"], [])


def test_a_rename_between_two_final_names_completes_nothing(watched: Settings) -> None:
    path = put(watched, "a.csv", "x")
    assert seen(watched) == ([], ["a.csv"])
    path.rename(path.with_name("b.csv"))
    assert seen(watched) == ([], ["b.csv"])


@pytest.mark.parametrize("mark", ["day/a.csv.done", "day/.done"])
def test_a_marker_completes_a_file_once(
    watched: Settings, session: Session, yesterday: dt.date, mark: str
) -> None:
    put(watched, "day/a.jsonl" if mark.endswith("/.done") else "day/a.csv", lines(yesterday, 2))
    put(watched, "other.csv", "x")
    put(watched, mark, "")
    assert (len(seen(watched)[0]), seen(watched)[1]) == (1, ["other.csv"])
    run = run_day(yesterday)
    assert run.counts["waiting"] == ["other.csv"]
    assert run.counts["ignored"] == []
    assert not (inbox.inbox_folder(watched) / "day").exists(), "a marker does not stay for the next delivery"


def test_a_file_still_written_waits_and_is_read_whole(
    watched: Settings, session: Session, yesterday: dt.date
) -> None:
    """1,000 of 2,000 rows are there when the run starts. In the end all 2,000 are read automatically."""
    path = put(watched, "log.jsonl", lines(yesterday, 1000))
    run = run_day(yesterday)
    assert (run.status, run.counts["waiting"]) == (RunStatus.HELD, ["log.jsonl"])
    with path.open("a") as stream:
        stream.write(lines(yesterday, 1000, 1000))
    runs.tick()
    assert fresh(run.id).status == RunStatus.HELD
    pass_time(session)
    assert runs.tick() == [run.id]
    execute(run.id)
    run = fresh(run.id)
    assert (run.status, run.requested_by, run.counts["waiting"]) == (RunStatus.DONE, "system", [])
    assert run.counts["ingest"]["accepted"] == 2000
    assert runs.tick() == []


@pytest.mark.parametrize("cut", [True, False])
def test_a_file_that_grows_after_it_was_moved_comes_back(
    watched: Settings, session: Session, yesterday: dt.date, cut: bool
) -> None:
    """After a long pause a sender continues to write to its open file, wherever that has been moved."""
    text = lines(yesterday, 20)
    half = len(lines(yesterday, 10)) - (5 if cut else 0)
    path = inbox.inbox_folder(watched) / "sub" / "log.jsonl"
    path.parent.mkdir()
    with path.open("w") as stream:
        stream.write(text[:half])
        stream.flush()
        inbox.scan(watched)
        pass_time(session)
        run = run_day(yesterday)
        assert run.counts["ingest"]["accepted"] == (0 if cut else 10)
        assert not path.exists()
        stream.write(text[half:])
    assert len(seen(watched)[1]) == 1
    pass_time(session)
    run = run_day(yesterday)
    assert run.counts["ingest"]["accepted"] == (20 if cut else 10)
    assert run.counts["ingest"]["duplicates"] == (0 if cut else 10)
    assert store.snapshot(watched.data_dir / "activity").days[yesterday].rows == 20


def test_a_file_that_changes_while_it_is_read_stays(
    watched: Settings, session: Session, yesterday: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(watched, "log.jsonl", lines(yesterday, 3))
    inbox.scan(watched)
    pass_time(session)
    real = execution.ingest_logs

    def grow(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        with path.open("a") as stream:
            stream.write(lines(yesterday, 3, 3))
        return found

    monkeypatch.setattr(execution, "ingest_logs", grow)
    run = run_day(yesterday)
    monkeypatch.undo()
    assert path.exists()
    pass_time(session)
    inbox.scan(watched)
    pass_time(session)
    assert runs.tick() in ([], [run.id])
    assert run_day(yesterday).counts["ingest"]["accepted"] == 3
    assert store.snapshot(watched.data_dir / "activity").days[yesterday].rows == 6


def test_files_of_any_name_and_kind_stop_no_run(
    watched: Settings, session: Session, yesterday: dt.date, login: Callable[..., Person]
) -> None:
    root = inbox.inbox_folder(watched)
    odd = os.fsencode(root) + b"/\xc8\xd5\xd6\xbe.jsonl"
    Path(os.fsdecode(odd)).write_text(lines(yesterday, 4))
    (root / "bad.csv").write_text("not a log")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\x1b\xfe" + b"x" * 230 + b".csv")).write_text("not a log")
    (root / "gone.csv").symlink_to(root / "nowhere.csv")
    os.mkfifo(root / "pipe.jsonl")
    inbox.scan(watched)
    pass_time(session)
    run = run_day(yesterday)
    assert (run.status, run.counts["ingest"]["accepted"]) == (RunStatus.DONE, 4)
    assert run.counts["ingest"]["files"] == 5
    refused = {each["name"][-12:]: each["kept"] for each in run.counts["refused"]}
    assert {name: kept is not None for name, kept in refused.items()} == {
        "bad.csv": True,
        "x" * 8 + ".csv": True,
        "gone.csv": False,
        "pipe.jsonl": False,
    }
    names = session.scalars(select(IngestFile.name)).all()
    assert names == ["\\xc8\\xd5\u05be.jsonl"]
    operator = login("DataOperator")
    assert "\\xc8\\xd5" in operator.get("/ingestfileview/list/").text
    shown = operator.get(f"/jobrunview/show/{run.id}").text
    assert "\\xff\\x1b\\xfe" in shown
    for each in run.counts["refused"]:
        if each["kept"]:
            kept = operator.get(f"/ingestfileview/kept/{run.id}/{each['kept']}")
            assert kept.data == b"not a log"


def test_links_are_not_followed(
    watched: Settings, session: Session, yesterday: dt.date, login: Callable[..., Person]
) -> None:
    root = inbox.inbox_folder(watched)
    secret = watched.data_dir / "secrets.env"
    secret.write_text("PII_KEY=hidden")
    (watched.data_dir / "notes.txt").write_text("hidden\n")
    put(watched, "real.jsonl", lines(yesterday, 4))
    targets = {"a.jsonl": root / "real.jsonl", "b.csv": secret, "c.jsonl": watched.data_dir / "notes.txt"}
    for name, target in targets.items():
        (root / name).symlink_to(target)
    inbox.scan(watched)
    pass_time(session)
    run = run_day(yesterday)
    assert (run.status, run.counts["ingest"]["accepted"]) == (RunStatus.DONE, 4)
    assert {each["name"]: each["kept"] for each in run.counts["refused"]} == {"b.csv": None, "c.jsonl": None}
    assert secret.read_text() == "PII_KEY=hidden"
    assert (root / "b.csv").is_symlink()
    # One that an earlier version moved.
    (watched.data_dir / "quarantine").mkdir(exist_ok=True)
    (watched.data_dir / "quarantine" / "1-b.csv").symlink_to(secret)
    run.counts = run.counts | {"refused": [run.counts["refused"][0] | {"kept": "1-b.csv"}]}
    session.merge(run)
    session.commit()
    kept = login("DataOperator").get(f"/ingestfileview/kept/{run.id}/1-b.csv")
    assert (kept.status_code, "PII_KEY" in kept.text) == (404, False)


def test_a_file_that_vanishes_is_refused_and_the_others_are_read(
    watched: Settings, session: Session, yesterday: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(watched, "a.jsonl", lines(yesterday, 2))
    gone = put(watched, "b.jsonl", lines(yesterday, 2, 2))
    inbox.scan(watched)
    pass_time(session)
    real = inbox.scan

    def scan(settings: Settings) -> inbox.InboxScan:
        found = real(settings)
        gone.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(inbox, "scan", scan)
    run = run_day(yesterday)
    assert (run.status, run.counts["ingest"]["accepted"]) == (RunStatus.DONE, 2)
    assert [each["name"] for each in run.counts["refused"]] == ["b.jsonl"]


def test_a_file_that_cannot_be_moved_is_named_and_counted_once(
    watched: Settings, session: Session, yesterday: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(watched, "a.jsonl", lines(yesterday, 2))
    inbox.scan(watched)
    pass_time(session)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(deliveries.shutil, "move", refuse)
    run = run_day(yesterday)
    assert (run.status, run.counts["stuck"]) == (RunStatus.DONE, ["a.jsonl"])
    assert runs.tick() == [], "what was looked at does not start runs again and again"
    assert run_day(yesterday).counts["ingest"]["files_skipped"] == 0


def test_a_held_day_is_run_again_when_its_data_comes_by_any_way(
    watched: Settings, session: Session, yesterday: dt.date, tmp_path: Path
) -> None:
    before = yesterday - dt.timedelta(days=3)
    held, unrelated = run_day(before), run_day(before - dt.timedelta(days=1))
    assert (held.status, unrelated.status) == (RunStatus.HELD, RunStatus.HELD)
    log = tmp_path / "log.jsonl"
    log.write_text(lines(before, 3))
    deliveries.ingest_logs(watched, [log])
    assert (fresh(held.id).status, fresh(unrelated.id).status) == (RunStatus.QUEUED, RunStatus.HELD)
    execute(held.id)
    assert fresh(held.id).status == RunStatus.DONE


def test_a_run_names_the_other_dates_it_changed_and_offers_them(
    app: Flask, watched: Settings, session: Session, yesterday: dt.date, login: Callable[..., Person]
) -> None:
    late, later = yesterday - dt.timedelta(days=4), yesterday - dt.timedelta(days=2)
    today = yesterday + dt.timedelta(days=1)
    put(watched, "a.jsonl", lines(yesterday, 5) + lines(late, 2) + lines(today, 1) + lines(later, 3))
    inbox.scan(watched)
    pass_time(session)
    run = run_day(yesterday)
    assert run.counts["other_days"] == {late.isoformat(): 2, later.isoformat(): 3, today.isoformat(): 1}
    operator, auditor, path = login("DataOperator"), login("Auditor"), f"/jobrunview/show/{run.id}"
    shown = page(app, operator, path).text
    assert f"{late} · 2 calls accepted" in shown
    assert "other dates changed: 3" in shown
    assert "evaluate_again" in shown
    assert "evaluate_again" not in page(app, auditor, path).text
    with app.app_context():
        auditor.submit(f"/jobrunview/action/evaluate_again/{run.id}")
    assert session.scalars(select(JobRun.day)).all() == [yesterday]
    with app.app_context():
        operator.submit(f"/jobrunview/action/evaluate_again/{run.id}")
    session.expire_all()
    asked = session.scalars(select(JobRun).where(JobRun.day != yesterday).order_by(JobRun.day)).all()
    assert [(each.day, each.status) for each in asked] == [(late, "queued"), (later, "queued")]
    assert all(each.requested_by.startswith("dataoperator") for each in asked)
    noted = select(ChangeLog.object_id, ChangeLog.actor).where(ChangeLog.kind == "evaluate_again")
    assert session.execute(noted).one() == (str(run.id), asked[0].requested_by)
    assert "evaluate_again" not in page(app, operator, path).text


def test_a_date_that_an_earlier_time_took_a_call_from_is_named(
    watched: Settings, session: Session, yesterday: dt.date
) -> None:
    put(watched, "a.jsonl", lines(yesterday, 3))
    inbox.scan(watched)
    pass_time(session)
    run_day(yesterday)
    earlier = yesterday - dt.timedelta(days=1)
    put(
        watched,
        "b.jsonl",
        lines(yesterday, 1).replace(f"{yesterday} 10", f"{earlier} 10") + lines(earlier, 1),
    )
    inbox.scan(watched)
    pass_time(session)
    assert run_day(earlier).counts["other_days"] == {yesterday.isoformat(): 0}


def test_a_run_taken_over_keeps_its_figures(
    watched: Settings, session: Session, yesterday: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker dies after it has read all files, before or after it has recorded that."""
    for crash_in in ("records_of_source", "clear_inbox", "completeness"):
        day = yesterday - dt.timedelta(days=len(crash_in))
        put(watched, f"{crash_in}/a.jsonl", lines(day, 7) + lines(day, 2) + "{}\n")
        put(watched, f"{crash_in}/same.jsonl", lines(day, 7) + lines(day, 2) + "{}\n")
        put(watched, f"{crash_in}/bad.csv", "nothing")
        inbox.scan(watched)
        pass_time(session)

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(execution, crash_in, die)
            run_id = runs.request_run(day, "tester").id
            with pytest.raises(KeyboardInterrupt):
                execute(run_id)
        db.session.rollback()
        lapse = JobRun.lease_until - dt.timedelta(hours=1)
        db.session.execute(update(JobRun).where(JobRun.id == run_id).values(lease_until=lapse))
        db.session.commit()
        assert run_id in runs.tick()
        execute(run_id)
        run = fresh(run_id)
        assert (run.status, run.attempts) == (RunStatus.DONE, 2)
        assert run.counts["ingest"] == {
            "files": 3,
            "files_skipped": 1,
            "files_refused": 1,
            "rows": 10,
            "accepted": 7,
            "duplicates": 2,
            "other_content": 0,
            "rejected": {"missing_request_id": 1},
        }


@pytest.mark.parametrize("ahead", [dt.timedelta(days=-3), dt.timedelta(days=3)])
def test_the_database_says_what_day_it_is(
    watched: Settings, session: Session, monkeypatch: pytest.MonkeyPatch, ahead: dt.timedelta
) -> None:
    """A host with a wrong clock runs no other day, and refuses a day that is not over."""

    real = dt.datetime

    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return real.now(tz) + ahead

    true = session.scalars(select(func.now())).one().astimezone(watched.zone).date()
    for module in (runs, execution):
        monkeypatch.setattr(module.dt, "datetime", Wrong)
    assert product_clock.today() == true
    with pytest.raises(DomainError, match="not over"):
        runs.request_run(true, "tester")
    noon = dt.datetime.combine(true, dt.time(12), watched.zone)
    monkeypatch.setattr(product_clock, "now", lambda: noon)
    runs.tick()
    assert session.scalars(select(JobRun.day)).all() == [true - dt.timedelta(days=1)]
