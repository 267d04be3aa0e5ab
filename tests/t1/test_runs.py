"""T+1 runs: requested, executed, held, released and resumed, by one worker at a time."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.activity import store
from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import MAX_ATTEMPTS, LeaseLost
from app.leads.cube import activity_root
from app.lib import clock as product_clock
from app.models import Hit, IngestFile, Institution, JobRun, Lead, RunStatus
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from app.t1 import deliveries, runs
from app.t1 import execute as execution
from app.t1.execute import execute
from tests import clock
from tests.conftest import Person

PERSON = "ab" * 32
RULES = {
    "institutions": [{"code": "I1", "name": "机构一"}],
    "rules": [
        {
            "code": "R-3",
            "name": "三次",
            "cooldown_days": 7,
            "conditions": [{"metric": "calls", "op": ">=", "value": 3, "window_days": 7}],
        }
    ],
}


@pytest.fixture
def yesterday(app: Flask) -> dt.date:
    with app.app_context():
        return product_clock.today() - dt.timedelta(days=1)


@pytest.fixture
def ready(app: Flask, session: Session) -> None:
    """One lead and one rule."""
    session.add(
        Lead(
            name="甲",
            id_hash=PERSON,
            phone_cipher=b"",
            phone_index="",
            phone_masked="138****8899",
            lead_no="L1",
        )
    )
    session.commit()
    with app.app_context():
        apply_config(parse_config(RULES, "test"), "tester")


@pytest.fixture
def deliver(app: Flask) -> Callable[..., Path]:
    """Put a day's log file into the inbox."""

    def put(day: dt.date, rows: int, *, name: str = "", institution: str = "I1") -> Path:
        folder = app.config["SETTINGS"].data_dir / "inbox" / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (name or f"{day}.jsonl.gz")
        lines = [
            json.dumps(
                {
                    "request_id": f"{day}-{name}-{number}",
                    "event_time": f"{day} 10:00:{number % 60:02d}",
                    "event_type": "face_verify",
                    "institution_code": institution,
                    "id_hash": PERSON,
                    "result": "success",
                }
            )
            for number in range(rows)
        ]
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
        return path

    return put


def run_day(app: Flask, day: dt.date) -> int:
    with app.app_context():
        run_id = runs.request_run(day, "tester").id
        execute(run_id)
    return run_id


def the_run(session: Session, run_id: int) -> JobRun:
    session.expire_all()
    return session.get_one(JobRun, run_id)


def test_a_day_goes_from_the_inbox_to_hits(
    app: Flask, session: Session, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    path = deliver(yesterday, 5, institution="NEW-1")
    run = the_run(session, run_day(app, yesterday))
    assert (run.status, run.progress, run.error) == (RunStatus.DONE, 100, None)
    assert [step["name"] for step in run.steps] == list(execution.STEPS)
    assert {step["status"] for step in run.steps} == {"done"}
    assert run.counts["ingest"]["accepted"] == 5
    assert run.counts["hits"]["created"] == {"R-3": 1}
    assert run.lease_owner is None
    hit = session.scalars(select(Hit)).one()
    assert (hit.hit_date, hit.values, hit.grade) == (yesterday, [5], "B")
    assert hit.evidence["institutions"] == ["NEW-1"]
    assert hit.score == pytest.approx(5.0)
    assert session.scalars(select(IngestFile.accepted)).all() == [5]
    unlisted = session.scalars(select(Institution).where(Institution.code == "NEW-1")).one()
    assert (unlisted.listed, unlisted.first_seen) == (False, yesterday)
    deliver(yesterday - dt.timedelta(days=1), 1, name="late.jsonl.gz")
    run_day(app, yesterday)
    listed = session.scalars(select(Institution).where(Institution.code == "I1")).one()
    assert (listed.listed, listed.first_seen) == (True, yesterday - dt.timedelta(days=1))
    assert not path.exists()
    assert (app.config["SETTINGS"].data_dir / "delivered" / yesterday.isoformat() / path.name).is_file()


def test_again_counts_nothing_twice_and_a_late_file_refreshes(
    app: Flask, session: Session, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    deliver(yesterday, 3)
    run_day(app, yesterday)
    deliver(yesterday, 3)
    deliver(yesterday, 4, name="late.jsonl.gz")
    run = the_run(session, run_day(app, yesterday))
    assert run.counts["ingest"]["files_skipped"] == 1
    assert run.counts["hits"] == {"created": {"R-3": 0}, "refreshed": {"R-3": 1}}
    assert session.scalars(select(Hit.values)).all() == [[7]]
    assert session.scalars(select(JobRun.id)).all() == [run.id]


def test_a_hit_can_be_recomputed(
    app: Flask,
    session: Session,
    ready: None,
    deliver: Callable[..., Path],
    yesterday: dt.date,
    login: Callable[..., Person],
) -> None:
    """Late events that nobody has evaluated yet are what a recomputation finds."""
    deliver(yesterday, 3)
    run_day(app, yesterday)
    hit = session.scalars(select(Hit)).one()
    auditor = login("Auditor")
    path = f"/hitview/action/recompute/{hit.id}"
    assert "still agree" in auditor.submit(path, follow_redirects=True).text
    late = deliver(yesterday, 2, name="late.jsonl.gz", institution="I2")
    with app.app_context():
        deliveries.ingest_logs(app.config["SETTINGS"], [late])
    page = auditor.submit(path, follow_redirects=True).text
    assert "Values of the conditions 3 → 5" in page
    assert "Institutions I1 → I1, I2" in page
    session.refresh(hit)
    assert hit.values == [3]


def test_nothing_arrived_is_held_and_flagged(
    app: Flask, session: Session, ready: None, yesterday: dt.date
) -> None:
    run = the_run(session, run_day(app, yesterday))
    assert (run.status, run.note) == (RunStatus.HELD, "incomplete")
    assert run.counts["day"]["arrived"] == 0
    assert "hits" not in run.counts


def test_far_fewer_rows_than_usual_are_held_until_released(
    app: Flask, session: Session, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    for back in range(1, 5):
        deliver(yesterday - dt.timedelta(days=back), 20)
    deliver(yesterday, 9)
    run_id = run_day(app, yesterday)
    assert the_run(session, run_id).status == RunStatus.HELD
    assert session.scalars(select(Hit)).all() == []
    with app.app_context():
        runs.release(db.session.get_one(JobRun, run_id), "boss")
        execute(run_id)
    run = the_run(session, run_id)
    assert (run.status, run.requested_by) == (RunStatus.DONE, "boss")
    assert len(session.scalars(select(Hit)).all()) == 1
    with app.app_context(), pytest.raises(DomainError, match="held"):
        runs.release(db.session.get_one(JobRun, run_id), "boss")


def test_enough_rows_are_evaluated(
    app: Flask, session: Session, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    for back in range(1, 5):
        deliver(yesterday - dt.timedelta(days=back), 20)
    deliver(yesterday, 10)
    assert the_run(session, run_day(app, yesterday)).status == RunStatus.DONE


def test_a_refused_file_is_kept_in_quarantine_with_its_reason(
    app: Flask,
    session: Session,
    ready: None,
    deliver: Callable[..., Path],
    yesterday: dt.date,
    login: Callable[..., Person],
) -> None:
    """It is moved out of the inbox, shown and offered for download, while a valid file is read."""
    deliver(yesterday, 5)
    bad = deliver(yesterday, 5, name="cut.jsonl.gz")
    content = bad.read_bytes()
    bad.write_bytes(content[:-9])
    (bad.parent / "note.txt").write_text("hello")
    run_id = run_day(app, yesterday)
    run = the_run(session, run_id)
    assert (run.status, run.counts["ingest"]["files_refused"]) == (RunStatus.DONE, 1)
    assert run.counts["ignored"] == [f"{yesterday}/note.txt"]
    kept = run.counts["refused"][0]["kept"]
    assert not bad.exists()
    assert (app.config["SETTINGS"].data_dir / "quarantine" / kept).read_bytes() == content[:-9]
    bad.write_bytes(content)
    run = the_run(session, run_day(app, yesterday))
    assert (run.counts["refused"], run.counts["ingest"]["accepted"]) == ([], 5)
    operator = login("DataOperator", language="zh")
    shown = operator.get(f"/jobrunview/show/{run_id}").text
    assert "note.txt" in shown
    assert "拒收文件" in shown
    assert "压缩数据不完整" in operator.get("/ingestfileview/refused/").text
    link = f"/ingestfileview/kept/{run_id}/{kept}"
    assert link in operator.get("/ingestfileview/refused/").text
    assert operator.get(link).data == content[:-9]
    assert operator.get(f"/ingestfileview/kept/{run_id}/../secrets.env").status_code == 404
    auditor = login("Auditor")
    assert link not in auditor.get("/ingestfileview/refused/").text
    assert auditor.get(link).status_code != 200


def test_a_crash_between_record_and_move_loses_no_refused_file(
    app: Flask,
    session: Session,
    ready: None,
    deliver: Callable[..., Path],
    yesterday: dt.date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The record names the file's new place, and the next worker moves it to the same place."""
    deliver(yesterday, 5)
    bad = deliver(yesterday, 5, name="cut.jsonl.gz")
    bad.write_bytes(bad.read_bytes()[:-9])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "clear_inbox", crash)
    with app.app_context():
        run_id = runs.request_run(yesterday, "tester").id
        with pytest.raises(KeyboardInterrupt):
            execute(run_id)
    monkeypatch.undo()
    place = the_run(session, run_id).counts["refused"][0]["kept"]
    assert bad.exists()
    with app.app_context():
        db.session.execute(update(JobRun).values(status=RunStatus.QUEUED))
        db.session.commit()
        execute(run_id)
    assert the_run(session, run_id).counts["refused"][0]["kept"] == place
    assert (app.config["SETTINGS"].data_dir / "quarantine" / place).is_file()


def test_events_past_their_retention_are_deleted(
    app: Flask, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    keep = app.config["SETTINGS"].events_retention_days
    for back in (0, keep, keep + 1):
        deliver(yesterday - dt.timedelta(days=back), 3)
    run_day(app, yesterday)
    days = store.days(store.snapshot(app.config["SETTINGS"].data_dir / "activity"))
    assert days == [yesterday - dt.timedelta(days=keep), yesterday]


def test_facts_delivered_since_are_merged(
    app: Flask,
    ready: None,
    deliver: Callable[..., Path],
    cli: Callable[..., Any],
    tmp_path: Path,
    yesterday: dt.date,
) -> None:
    facts, values = tmp_path / "facts.yaml", tmp_path / "values.csv"
    facts.write_text("facts: [{code: aum, name: 金融资产, kind: money}]", "utf-8")
    values.write_text("lead_no,aum\nL1,5\n", "utf-8")
    assert cli("config", "apply", facts).exit_code == 0
    assert cli("facts", "import", values).exit_code == 0
    deliver(yesterday, 3)
    run_day(app, yesterday)
    state = store.snapshot(app.config["SETTINGS"].data_dir / "activity")
    assert state.latest_facts is not None
    assert (state.latest_facts.through, [file.covered for file in state.facts]) == (yesterday, [True])


def test_a_crash_before_the_journal_is_copied_is_made_up_for(
    app: Flask,
    session: Session,
    ready: None,
    deliver: Callable[..., Path],
    yesterday: dt.date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file is in the store but not in the database: the next ingest copies the record."""
    path = deliver(yesterday, 4, institution="NEW-2")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deliveries, "copy_journal", crash)
    with app.app_context(), pytest.raises(KeyboardInterrupt):
        deliveries.ingest_logs(app.config["SETTINGS"], [path])
    monkeypatch.undo()
    assert session.scalars(select(IngestFile)).all() == []
    with app.app_context():
        result = deliveries.ingest_logs(app.config["SETTINGS"], [path]).as_json()
    assert (result["files_skipped"], result["accepted"]) == (1, 0)
    assert session.scalars(select(IngestFile.accepted)).all() == [4]
    assert "NEW-2" in session.scalars(select(Institution.code)).all()


def test_an_error_of_a_run_is_read_in_one_s_language(
    app: Flask, session: Session, ready: None, yesterday: dt.date, login: Callable[..., Person]
) -> None:
    """On its page, in the list, and as an earlier run of the day."""
    manifest = activity_root(app.config["SETTINGS"]) / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("[")
    run_id = run_day(app, yesterday)
    assert the_run(session, run_id).status == RunStatus.FAILED
    chinese, english = (login("DataOperator", language=each, username=each) for each in ("zh", "en"))
    pages = (f"/jobrunview/show/{run_id}", "/jobrunview/list/", f"/jobrunview/progress/{run_id}")
    for page in pages:
        assert "已损坏" in str(chinese.get(page).json or chinese.get(page).text)
        assert "is damaged" in str(english.get(page).json or english.get(page).text)
    run_day(app, yesterday)
    assert chinese.get(pages[0]).text.count("已损坏") > chinese.get(pages[1]).text.count("已损坏")


def test_a_day_that_is_not_over_is_refused(app: Flask, yesterday: dt.date) -> None:
    with app.app_context(), pytest.raises(DomainError, match="not over"):
        runs.request_run(yesterday + dt.timedelta(days=1), "tester")


def test_a_run_at_work_is_not_started_twice(
    app: Flask, session: Session, ready: None, yesterday: dt.date
) -> None:
    with app.app_context():
        run = runs.request_run(yesterday, "tester")
        hold = runs.RUNS.hold
        with hold(db.engine, run.id) as first, hold(db.engine, run.id) as second:
            assert first is not None
            assert second is None
            db.session.expire_all()
            with pytest.raises(DomainError, match="under way"):
                runs.request_run(yesterday, "other")


def test_a_queued_run_says_what_it_waits_for(
    app: Flask, ready: None, yesterday: dt.date, login: Callable[..., Person]
) -> None:
    operator = login("DataOperator")
    with app.app_context():
        run, earlier = (
            runs.request_run(yesterday, "tester"),
            runs.request_run(yesterday - dt.timedelta(days=1), "tester"),
        )
        run_id, earlier_id = run.id, earlier.id
        page = f"/jobrunview/show/{earlier_id}"
        assert "Waiting for the background worker" in operator.get(page).text
        with runs.RUNS.hold(db.engine, run_id):
            assert f"Waits until the run of {yesterday}, which is in progress" in operator.get(page).text


@pytest.mark.parametrize("step", execution.STEPS)
def test_a_worker_that_dies_is_replaced(
    app: Flask,
    session: Session,
    ready: None,
    deliver: Callable[..., Path],
    yesterday: dt.date,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first worker disappears within a step. When its lease has expired the next one finishes."""
    deliver(yesterday, 5)

    class Vanished(BaseException):
        pass

    original = execution._Run.step

    def die_in(self: Any, name: str, work: Any) -> Any:
        return original(self, name, work if name != step else _raise)

    def _raise() -> None:
        raise Vanished

    monkeypatch.setattr(execution._Run, "step", die_in)
    with app.app_context():
        run_id = runs.request_run(yesterday, "tester").id
        with pytest.raises(Vanished):
            execute(run_id)
    monkeypatch.undo()
    with app.app_context():
        execute(run_id)
        assert the_run(session, run_id).status == RunStatus.RUNNING  # still leased to the dead one
        db.session.execute(update(JobRun).values(lease_until=clock.now() - dt.timedelta(seconds=1)))
        db.session.commit()
        execute(run_id)
    run = the_run(session, run_id)
    assert (run.status, run.attempts) == (RunStatus.DONE, 2)
    assert len(session.scalars(select(Hit)).all()) == 1
    assert session.scalars(select(IngestFile.accepted)).all() == [5]


def test_a_run_that_kills_its_worker_every_time_is_given_up_until_somebody_asks_again(
    app: Flask, session: Session, ready: None, deliver: Callable[..., Path], yesterday: dt.date
) -> None:
    deliver(yesterday, 5)
    with app.app_context():
        run_id = runs.request_run(yesterday, "tester").id
        past = clock.now() - dt.timedelta(hours=1)
        died = update(JobRun).values(status=RunStatus.RUNNING, lease_until=past, attempts=MAX_ATTEMPTS)
        db.session.execute(died)
        db.session.commit()
        execute(run_id)
        run = the_run(session, run_id)
        assert run.status == RunStatus.FAILED
        assert "interrupted 3 times" in run.error.english()
        assert runs.tick() == []
        runs.request_run(yesterday, "tester")
        execute(run_id)
    assert (the_run(session, run_id).status, the_run(session, run_id).attempts) == (RunStatus.DONE, 1)


def test_a_worker_that_lost_its_lease_writes_nothing(
    app: Flask, session: Session, ready: None, yesterday: dt.date
) -> None:
    with app.app_context():
        run = runs.request_run(yesterday, "tester")
        with runs.RUNS.hold(db.engine, run.id) as lease:
            assert lease is not None
            db.session.execute(update(JobRun).values(lease_owner="somebody else"))
            db.session.commit()
            with pytest.raises(LeaseLost):
                lease.write(progress=99)
    assert session.scalars(select(JobRun.progress)).all() == [0]


def test_the_ticker_starts_yesterday_at_its_time_once(
    app: Flask, session: Session, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = app.config["SETTINGS"].zone
    queue = Queue("t1", connection=redis, serializer=JSONSerializer)
    with app.app_context():
        early = dt.datetime(2026, 5, 4, 5, 59, tzinfo=zone)
        monkeypatch.setattr(product_clock, "now", lambda: early)
        assert runs.tick() == []
        assert session.scalars(select(JobRun)).all() == []
        due = dt.datetime(2026, 5, 4, 6, 0, tzinfo=zone)
        monkeypatch.setattr(product_clock, "now", lambda: due)
        first = runs.tick()
        assert runs.tick() == first
    run = session.scalars(select(JobRun)).one()
    assert (run.day, run.kind, run.requested_by) == (dt.date(2026, 5, 3), "t1", "system")
    assert {job.args[0] for job in queue.jobs} == {run.id}


def test_the_ticker_nudges_a_run_whose_worker_fell_silent(
    app: Flask, session: Session, yesterday: dt.date
) -> None:
    with app.app_context():
        run = runs.request_run(yesterday, "tester")
        with runs.RUNS.hold(db.engine, run.id):
            assert run.id not in runs.tick()
            silent = dt.timedelta(seconds=runs.RUNS.seconds + 5)
            session.execute(update(JobRun).values(lease_until=JobRun.lease_until - silent))
            session.commit()
            assert run.id in runs.tick()


def test_without_redis_the_request_is_kept(app: Flask, session: Session, yesterday: dt.date) -> None:
    """A nudge that can't be sent does no harm, because the row waits for the ticker."""
    import dataclasses

    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], redis_url="redis://127.0.0.1:1/0")
    with app.app_context():
        run_id = runs.request_run(yesterday, "tester").id
    assert the_run(session, run_id).status == RunStatus.QUEUED
