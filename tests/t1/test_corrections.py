"""Corrections of log deliveries: by command, by a second person, with what follows in the database."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app import approvals
from app.activity import store
from app.approvals.requests import CommandUser
from app.errors import DomainError
from app.extensions import db
from app.leads.cube import activity_root
from app.lib import clock
from app.models import (
    Approval,
    ChangeLog,
    Hit,
    IngestFile,
    InstitutionDay,
    JobRun,
    LogCorrection,
    RunStatus,
    Segment,
    Staff,
)
from app.rules.withdrawals import evaluate_days
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from app.t1 import corrections, runs
from app.t1.deliveries import ingest_logs
from app.t1.execute import execute
from tests.access.world import branch, lead
from tests.conftest import Person

CALLS = {"metric": "calls", "op": ">=", "value": 3, "window_days": 3}
RULES: dict[str, Any] = {
    "institutions": [],
    "rules": [
        {
            "code": "R",
            "name": "三次",
            "cooldown_days": 7,
            "conditions": [CALLS],
        }
    ],
}


@pytest.fixture
def day(app: Flask) -> dt.date:
    with app.app_context():
        return clock.today() - dt.timedelta(days=2)


@pytest.fixture
def write(tmp_path: Path, day: dt.date) -> Callable[..., Path]:
    """Write a log file with a call for each request id."""

    def put(name: str, *ids: str, result: str = "success", after: int = 0) -> Path:
        path = tmp_path / f"{name}.jsonl"
        moment = f"{day + dt.timedelta(days=after)} 10:00:00"
        rows = [
            {
                "request_id": each,
                "event_time": moment,
                "event_type": "face_verify",
                "institution_code": "I1",
                "id_hash": "ab" * 32,
                "result": result,
            }
            for each in ids
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return put


@pytest.fixture
def ready(app: Flask) -> None:
    with app.app_context():
        apply_config(parse_config(RULES, "test"), "tester")


def run(cli: Callable[..., Any], *words: object) -> Any:
    done = cli(*words)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def rows_by_day(app: Flask) -> dict[str, int]:
    state = store.snapshot(activity_root(app.config["SETTINGS"]))
    return {day.isoformat(): entry.rows for day, entry in state.days.items()}


def test_the_operator_withdraws_a_file_at_once(
    app: Flask, session: Session, cli: Callable[..., Any], ready: None, write: Any, day: dt.date
) -> None:
    good, wrong = write("good", "a", "b"), write("wrong", "b", "c", "d", result="fail")
    told = [run(cli, "logs", "ingest", path, "--json") for path in (good, wrong)]
    assert [each.get("other_content") for each in told] == [None, 1]
    figures = select(IngestFile.accepted, IngestFile.duplicates, IngestFile.other_content)
    of_wrong = figures.where(IngestFile.name.endswith("wrong.jsonl"))
    assert session.execute(of_wrong).one() == (2, 1, 1)
    done = run(cli, "logs", "withdraw", good, "--reason", "a test", "--operator", "--json")
    # The complete dates that see the day through the widest window.
    days = [(day + dt.timedelta(days=n)).isoformat() for n in range(2)]
    # The call that both had was that of the other file.
    assert done == {"withdrawn": 1, "accepted": 0, "days": days}
    assert rows_by_day(app) == {day.isoformat(): 3}
    assert session.execute(of_wrong).one()[:2] == (3, 0)
    file = session.scalars(select(IngestFile).where(IngestFile.name.endswith("good.jsonl"))).one()
    assert file.withdrawn_at is not None
    assert file.days == {}
    assert session.scalars(select(InstitutionDay.calls)).all() == [3]
    correction = session.scalars(select(LogCorrection)).one()
    assert (correction.by_command, correction.approved_by, correction.status) == (True, None, "done")
    entries = session.scalars(select(ChangeLog).where(ChangeLog.object == "log_correction")).all()
    assert {entry.source for entry in entries} == {"cli"}


def test_a_file_is_named_by_digest_name_or_path(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any
) -> None:
    path = write("one", "a")
    ingest_in(app, path)
    file = session.scalars(select(IngestFile)).one()
    with app.app_context():
        for named in (file.digest, file.digest[:8], file.name, str(path)):
            assert corrections.find_file(named).id == file.id
        for named in ("nothing", "f" * 64, file.digest[:7]):
            with pytest.raises(DomainError, match="was read"):
                corrections.find_file(named)
    refused = cli("logs", "withdraw", "nothing", "--reason", "x", "--operator", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")


def ingest_in(app: Flask, *paths: Path, source: str = "") -> None:
    with app.app_context():
        ingest_logs(app.config["SETTINGS"], paths, source=source)


def test_a_file_is_replaced_in_one_step(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any, day: dt.date
) -> None:
    old, new = write("old", "a", "b", "c"), write("new", "a", "d", after=1)
    ingest_in(app, old)
    version = store.snapshot(activity_root(app.config["SETTINGS"])).version
    done = run(cli, "logs", "replace", old, new, "--reason", "wrong dates", "--operator", "--json")
    assert (done["withdrawn"], done["accepted"]) == (3, 2)
    assert done["days"] == [(day + dt.timedelta(days=n)).isoformat() for n in range(2)]
    assert rows_by_day(app) == {(day + dt.timedelta(days=1)).isoformat(): 2}
    assert store.snapshot(activity_root(app.config["SETTINGS"])).version == version + 1
    names = select(IngestFile.name, IngestFile.withdrawn_at.is_(None)).order_by(IngestFile.id)
    assert [(name.rpartition("/")[2], stands) for name, stands in session.execute(names)] == [
        ("old.jsonl", False),
        ("new.jsonl", True),
    ]
    refused = cli("logs", "replace", new, new, "--reason", "x", "--operator", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "delivered before" in refused.stderr


def test_a_command_waits_for_a_second_person(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any, login: Callable[..., Person]
) -> None:
    old, new = write("old", "a", "b"), write("new", "a")
    ingest_in(app, old)
    before = rows_by_day(app)
    number = run(cli, "logs", "replace", old, new, "--reason", "cut off", "--json")["request"]
    approval = session.get_one(Approval, number)
    assert (approval.status, approval.kind, approval.reason) == ("waiting", "log_correction", "cut off")
    again = cli("logs", "withdraw", old, "--reason", "x", "--json")
    assert (again.exit_code, "being corrected already" in again.stderr) == (1, True)
    assert rows_by_day(app) == before
    # What was asked for is what was named, whatever becomes of the file.
    new.unlink()
    login("Manager", username="m")
    with app.app_context():
        corrections.execute(approval.subject_id)
        assert rows_by_day(app) == before, "nothing is done without approval"
        approvals.approve(_get(Approval, number), _person("m"))
        _commit()
        corrections.execute(approval.subject_id)
        corrections.execute(approval.subject_id)
    session.expire_all()
    correction = session.scalars(select(LogCorrection)).one()
    assert (correction.status, correction.approved_by) == (RunStatus.DONE, "m")
    assert correction.result is not None
    assert (correction.result["withdrawn"], correction.result["accepted"]) == (2, 1)
    assert list(rows_by_day(app).values()) == [1]


def test_a_file_delivered_again_after_its_withdrawal_stands(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any, day: dt.date
) -> None:
    path = write("one", "a")
    run(cli, "logs", "ingest", path, "--json")
    run(cli, "logs", "withdraw", path, "--reason", "by mistake", "--operator", "--json")
    assert session.scalars(select(InstitutionDay.calls)).all() == []
    assert run(cli, "logs", "ingest", path, "--json")["accepted"] == 1
    figures = select(IngestFile.accepted, IngestFile.withdrawn_at, IngestFile.days)
    assert session.execute(figures).all() == [(1, None, {day.isoformat(): 1})]
    assert session.scalars(select(InstitutionDay.calls)).all() == [1]


def test_nobody_approves_what_they_requested(
    app: Flask, session: Session, write: Any, login: Callable[..., Person]
) -> None:
    path = write("old", "a")
    ingest_in(app, path)
    login("Admin", username="chief")
    with app.app_context():
        user = _person("chief")
        approval = corrections.request(corrections.find_file(str(path)), user, "wrong", write("new", "b"))
        with pytest.raises(DomainError, match="yourself"):
            approvals.approve(approval, user)
        _commit(False)
        approvals.withdraw(_get(Approval, approval.id), user)
        _commit()
        assert corrections.can_correct(corrections.find_file(str(path)))
    assert not list((app.config["SETTINGS"].data_dir / "corrections").rglob("*.jsonl"))
    assert session.scalars(select(LogCorrection.status)).all() == ["failed"]


def test_a_crash_after_the_commit_of_the_store_is_made_up_for(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = write("old", "a", "b"), write("new", "c")
    ingest_in(app, old)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with app.app_context():
        with monkeypatch.context() as patch:
            patch.setattr(corrections, "copy_journal", dies)
            with pytest.raises(KeyboardInterrupt):
                corrections.apply_at_once(corrections.find_file(str(old)), "cli:x", "wrong", new)
            _commit(False)
        correction = session.scalars(select(LogCorrection)).one()
        correction.lease_until = None
        session.commit()
        corrections.execute(correction.id)
    session.expire_all()
    assert correction.result is not None
    assert (correction.result["withdrawn"], correction.result["accepted"]) == (2, 1)
    assert len(session.scalars(select(IngestFile).where(IngestFile.withdrawn_at.is_(None))).all()) == 1


def kept(app: Flask) -> list[str]:
    """The names of the copies of files that wait to replace others."""
    folder = app.config["SETTINGS"].data_dir / "corrections"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_no_copy_is_left_of_a_file_that_replaces_nothing(
    app: Flask, session: Session, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, known = write("old", "a", "b"), write("known", "c")
    ingest_in(app, old)
    ingest_in(app, known)
    with app.app_context():
        file = corrections.find_file(str(old))
        with pytest.raises(DomainError, match="replaces nothing"):
            corrections.apply_at_once(file, "cli:x", "wrong", known)
        assert kept(app) == []
        with monkeypatch.context() as patch:
            patch.setattr(approvals, "submit", lambda *_: (_ for _ in ()).throw(DomainError("no")))
            with pytest.raises(DomainError):
                corrections.request(file, CommandUser("cli:x"), "wrong", write("new", "d"))
            _commit(False)
        assert kept(app) == []
        corrections.request(file, CommandUser("cli:x"), "wrong", write("new", "d"))
        corrections.tick()
        assert kept(app) == ["new.jsonl"]
        # Whatever ended it without deleting the copy.
        session.execute(update(LogCorrection).values(status="failed"))
        session.commit()
        corrections.tick()
        assert kept(app) == []


def test_dates_are_those_that_any_window_sees(
    app: Flask, session: Session, cli: Callable[..., Any], write: Any, day: dt.date
) -> None:
    """Of the rule in force, of a segment that it names, and of a former version with hits."""
    past = day - dt.timedelta(days=20)
    one = lead(app.config["SETTINGS"], 1, branch(session, "A"))
    one.id_hash = "ab" * 32
    wide = {"metric": "calls", "at_least": 1, "window_days": 9}
    session.add_all([one, Segment(name="S", definition={"activity": wide}, shared=True, owner="x")])
    session.commit()
    before = write("before", "a", "b", "c", after=-20)
    run(cli, "logs", "ingest", before, "--json")
    rule = RULES["rules"][0] | {"conditions": [CALLS | {"window_days": 12}]}
    withdraw = ("logs", "withdraw", before, "--reason", "a test", "--operator", "--json")
    with app.app_context():
        apply_config(parse_config(RULES | {"rules": [rule]}, "test"), "tester")
        evaluate_days(app.config["SETTINGS"], past, past)
        rule |= {"lead_filter": {"segments": ["S"]}, "conditions": [CALLS | {"window_days": 2}]}
        apply_config(parse_config(RULES | {"rules": [rule]}, "test"), "tester")
    for widest in (12, 9):
        days = [past + dt.timedelta(days=n) for n in range(widest)]
        assert run(cli, *withdraw)["days"] == [each.isoformat() for each in days]
        with app.app_context():
            evaluate_days(app.config["SETTINGS"], days[-1], days[-1])
        # Judged by its own version on its own date, whichever of the dates is evaluated.
        assert set(session.scalars(select(Hit.status))) <= {"withdrawn"}
        session.execute(delete(Hit))
        session.commit()
        run(cli, "logs", "ingest", before, "--json")


def test_an_older_file_is_refused_with_the_reason(
    app: Flask, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("old", "a")
    ingest_in(app, path)
    journal = activity_root(app.config["SETTINGS"]) / "deliveries.jsonl"
    text = journal.read_text()
    journal.write_text(text.replace('"delivery":1', '"deliverx":1'))
    with app.app_context():
        with pytest.raises(DomainError, match="can't be told from others"):
            corrections.apply_at_once(corrections.find_file(str(path)), "cli:x", "wrong")
        with pytest.raises(DomainError, match="State a reason"):
            corrections.apply_at_once(corrections.find_file(str(path)), "cli:x", " ")


def test_the_run_that_read_a_file_counts_without_it(
    app: Flask, session: Session, ready: None, write: Any, day: dt.date
) -> None:
    settings = app.config["SETTINGS"]
    inbox = settings.data_dir / "inbox"
    inbox.mkdir(parents=True)
    for path in (write("one", "a", "b"), write("two", "b", "c", after=1)):
        path.rename(inbox / path.name)
    with app.app_context():
        execute(runs.request_run(day, "tester").id)
        counts = session.scalars(select(JobRun.counts)).one()
        assert counts["ingest"] | {"rejected": {}} == counts["ingest"]
        assert [counts["ingest"][name] for name in ("files", "rows", "accepted", "duplicates")] == [
            2,
            4,
            3,
            1,
        ]
        file = session.scalars(select(IngestFile).where(IngestFile.name == "one.jsonl")).one()
        corrections.apply_at_once(corrections.find_file(file.digest), "cli:x", "wrong")
        session.expire_all()
        counts = session.scalars(select(JobRun.counts)).one()
        assert [counts["ingest"][name] for name in ("files", "rows", "accepted", "duplicates")] == [
            1,
            2,
            2,
            0,
        ]
        assert counts["withdrawn"] == 1
        # The day of the run can be run again, and the one after it.
        found = corrections.find_file(file.digest)
        assert corrections.days_to_evaluate_again(found) == [day, day + dt.timedelta(days=1)]
        assert corrections.evaluate_again(found, "tester") == [day, day + dt.timedelta(days=1)]
        assert corrections.days_to_evaluate_again(found) == []
    statuses = session.scalars(select(JobRun.status)).all()
    assert statuses == [RunStatus.QUEUED] * 2


def test_a_data_operator_withdraws_on_screen_and_another_person_approves(
    app: Flask, session: Session, write: Any, login: Callable[..., Person], day: dt.date
) -> None:
    ingest_in(app, write("old", "a", "b"))
    file = session.scalars(select(IngestFile)).one()
    page = f"/ingestfileview/show/{file.id}"
    operator, manager = login("DataOperator", language="zh"), login("Manager", language="zh")
    assert f"/ingestfileview/correct/{file.id}" in operator.get(page).text
    empty = operator.submit(f"/ingestfileview/correct/{file.id}", {"reason": ""})
    assert empty.status_code == 200
    asked = operator.submit(f"/ingestfileview/correct/{file.id}", {"reason": "发错了文件"})
    assert asked.status_code == 302
    waiting = operator.get(page).text
    assert "待审批" in waiting
    assert "发错了文件" in waiting
    assert f"/ingestfileview/correct/{file.id}" not in waiting
    approval = session.scalars(select(Approval)).one()
    request = manager.get(f"/approvalview/show/{approval.id}").text
    assert file.digest in request
    assert "日志文件更正" in request
    approved = manager.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert approved.status_code == 302
    with app.app_context():
        corrections.execute(approval.subject_id)
    done = operator.get(page).text
    assert "已撤回" in done
    assert day.isoformat() in done
    assert "evaluate_again" in done
    assert rows_by_day(app) == {}
    assert "已撤回" in operator.get("/ingestfileview/list/").text


def test_a_data_operator_replaces_a_file_on_screen(
    app: Flask, session: Session, write: Any, login: Callable[..., Person], day: dt.date, ready: None
) -> None:
    old, known, new = write("old", "a", "b"), write("known", "c"), write("new", "b", "c", "d", "d", after=1)
    ingest_in(app, old)
    ingest_in(app, known)
    file = session.scalars(select(IngestFile).order_by(IngestFile.id)).first()
    assert file is not None
    form = f"/ingestfileview/replace/{file.id}"
    operator, manager = login("DataOperator", language="zh"), login("Manager", language="zh")
    assert form in operator.get(f"/ingestfileview/show/{file.id}").text

    def upload(content: bytes, name: str) -> Any:
        return operator.submit(form, {"file": (io.BytesIO(content), name)})

    assert "选择文件" in operator.submit(form, {}).text
    assert "不是日志文件" in upload(b"x", "new.txt").text
    assert "不能用 known.jsonl 替换：" in upload(known.read_bytes(), "known.jsonl").text
    assert "没有一行是 JSON 对象" in upload(b"x\n", "cut.jsonl").text
    assert kept(app) == []
    chosen = upload(new.read_bytes(), "new.jsonl")
    assert chosen.status_code == 302
    page = operator.get(chosen.location).text
    assert "至多 3 条" in page
    assert (day + dt.timedelta(days=1)).isoformat() in page
    # It is the uploader's alone.
    assert manager.get(chosen.location).status_code == 403
    assert login("Admin").get(chosen.location).location.endswith(form)
    assert operator.submit(chosen.location, {"reason": ""}).status_code == 200
    asked = operator.submit(chosen.location, {"reason": "补发正确文件"})
    assert asked.location.endswith(f"/show/{file.id}")
    assert kept(app) == ["new.jsonl"]
    approval = session.scalars(select(Approval)).one()
    assert "new.jsonl" in manager.get(f"/approvalview/show/{approval.id}").text
    manager.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    assert f"/ingestfileview/progress/{file.id}" in operator.get(f"/ingestfileview/show/{file.id}").text
    with app.app_context():
        corrections.execute(approval.subject_id)
    done = operator.get(f"/ingestfileview/show/{file.id}").text
    assert "已替换" in done
    assert f"/ingestfileview/progress/{file.id}" not in done
    assert rows_by_day(app) == {day.isoformat(): 1, (day + dt.timedelta(days=1)).isoformat(): 2}
    assert kept(app) == []


def _person(name: str) -> Any:
    return db.session.scalars(select(Staff).where(Staff.username == name)).one()


def _get(model: Any, key: int) -> Any:
    return db.session.get(model, key)


def _commit(keep: bool = True) -> None:
    db.session.commit() if keep else db.session.rollback()
