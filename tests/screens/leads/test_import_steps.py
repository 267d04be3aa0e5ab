"""The import wizard over HTTP, step by step, with its background jobs."""

from __future__ import annotations

import datetime as dt
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.jobs import ticker
from app.jobs.leases import MAX_ATTEMPTS
from app.leads import progress, upload_worker, uploads
from app.leads.batches import GIVEN_UP_KEPT
from app.leads.row_checker import RowChecker
from app.leads.staging import Merge
from app.models import Branch, ImportBatch, Lead
from tests import clock
from tests.conftest import Person
from tests.database import superuser_of
from tests.leads.support import HEADER, id_number, person, write_csv, write_xlsx

ROOT = Path(__file__).parents[3]
MATCH = {
    f"column_{position}": field
    for position, field in enumerate(("lead_no", "name", "phone", "id_number", "source", "branch"))
}


class Wizard:
    """A user who imports files, and the background worker."""

    def __init__(self, app: Flask, session: Session, client: Person) -> None:
        self.app, self.session, self.client = app, session, client

    def upload(self, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> int:
        """Take step 1 and return the id of the batch."""
        path = write_csv(self.app.config["SETTINGS"].data_dir.parent / "list.csv", [header, *rows])
        answer = self.send(path.read_bytes())
        assert answer.status_code == 302, answer.text
        assert "/columns/" in answer.headers["Location"]
        return int(answer.headers["Location"].rsplit("/", 1)[1])

    def send(self, content: bytes, name: str = "名单.csv") -> Any:
        return self.client.submit("/importbatchview/upload", {"file": (io.BytesIO(content), name)})

    def post(self, step: str, batch: int, **data: str) -> Any:
        return self.client.submit(f"/importbatchview/{step}/{batch}", data)

    def cancel(self, batch: int) -> Any:
        return self.client.submit(f"/importbatchview/action/cancel/{batch}")

    def see(self, step: str, batch: int) -> str:
        answer = self.client.get(f"/importbatchview/{step}/{batch}")
        assert answer.status_code == 200, answer.headers.get("Location")
        return answer.text

    def progress(self, batch: int) -> dict[str, Any]:
        return self.client.get(f"/importbatchview/progress/{batch}").json

    def work(self, batch: int) -> None:
        with self.app.app_context():
            upload_worker.work_on(batch)

    def checked(self, rows: Iterable[Sequence[str]]) -> int:
        """Take steps 1 to 3 and return the id of the checked batch."""
        batch = self.upload(rows)
        assert self.post("columns", batch, **MATCH).status_code == 302
        self.work(batch)
        assert self.row(batch).status == "checked"
        return batch

    def row(self, batch: int) -> ImportBatch:
        self.session.rollback()
        return self.session.get_one(ImportBatch, batch, populate_existing=True)

    def leads(self) -> int:
        self.session.rollback()
        return self.session.scalar(select(func.count()).select_from(Lead)) or 0

    def files(self) -> list[str]:
        data = self.app.config["SETTINGS"].data_dir
        folders = (data / "uploads", data / "exports")
        return [path.name for each in folders for path in each.rglob("*") if path.is_file()]


@pytest.fixture
def wizard(app: Flask, session: Session, login: Callable[..., Person]) -> Wizard:
    session.add(Branch(code="HZ-XIHU", name="西湖支行", path="/1/"))
    session.commit()
    return Wizard(app, session, login("Manager", language="zh"))


def test_control_characters_in_a_file_name_are_shown(wizard: Wizard) -> None:
    """U+202E would make gnp.csv look like an image, and 0x1b would move a terminal's cursor."""
    content = (",".join(HEADER) + "\n" + ",".join(person(1)) + "\n").encode()
    answer = wizard.send(content, "名单\u202egnp\u2066.csv")
    batch = int(answer.headers["Location"].rsplit("/", 1)[1])
    assert wizard.row(batch).file_name == "名单\\u202egnp\\u2066.csv"
    wizard.post("columns", batch, **MATCH)
    wizard.work(batch)
    for page in (wizard.see("review", batch), wizard.see("show", batch)):
        assert "名单\\u202egnp" in page
        assert "\u202e" not in page
    refused = wizard.send(content, "list\u202ecsv.exe")
    assert "list\\u202ecsv.exe" in refused.text
    assert "\u202e" not in refused.text


def test_all_four_steps(wizard: Wizard, redis: Redis) -> None:
    wizard.work(wizard.upload([person(2)]))
    batch = wizard.upload([person(1), person(2), person(3, phone="12"), person(4, name="")])
    page = wizard.see("columns", batch)
    assert '<option value="id_number" selected>' in page
    assert wizard.leads() == 0
    assert wizard.post("columns", batch, **MATCH).headers["Location"].endswith(f"/review/{batch}")
    assert redis.llen("rq:queue:import") == 1
    assert 'class="card progress" hx-get=' in wizard.see("review", batch)
    wizard.work(batch)
    page = wizard.see("review", batch)
    for words in ("电话无效", "不是有效的中国电话号码", "缺少客户姓名", "王3"):
        assert words in page, words
    assert wizard.leads() == 0
    assert "/show/" in wizard.post("start", batch).headers["Location"]
    assert wizard.leads() == 0
    wizard.work(batch)
    row = wizard.row(batch)
    assert (row.status, row.rows_read, row.rows_created, row.upload) == ("done", 4, 2, None)
    assert row.rejected == {"invalid_phone": 1, "missing_name": 1}
    assert (row.preview, row.checked) == (None, None)
    state = wizard.progress(batch)
    assert (state["done"], state["progress"]) == (True, 100)
    assert wizard.leads() == 2
    assert "下载剔除明细" in wizard.see("show", batch)


def test_the_columns_are_those_a_person_matched(wizard: Wizard) -> None:
    header = ["a", "b", "c", "d"]
    batch = wizard.upload([["王1", "抖音", id_number(1), "13800000001"]], header)
    chosen = {"column_0": "name", "column_1": "", "column_2": "id_number", "column_3": "phone"}
    assert wizard.post("columns", batch, **chosen).status_code == 302
    wizard.work(batch)
    wizard.post("start", batch)
    wizard.work(batch)
    lead = wizard.session.scalars(select(Lead)).one()
    assert (lead.name, lead.source, lead.phone_masked) == ("王1", "", "138****0001")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"column_1": ""}, "客户姓名"),
        ({"column_2": ""}, "电话"),
        ({"column_3": ""}, "身份证"),
        ({"column_4": "name"}, "第 2 列"),
        ({"column_4": "password"}, "请从所列字段中选择"),
        ({"column_99": "source", "column_4": ""}, "请从所列字段中选择"),
    ],
)
def test_a_wrong_match_is_refused(wizard: Wizard, changes: dict[str, str], said: str) -> None:
    batch = wizard.upload([person(1)])
    answer = wizard.post("columns", batch, **MATCH | changes)
    assert answer.status_code == 200
    assert said in answer.text.split('class="summary')[1]
    assert wizard.row(batch).status == "prepared"
    wizard.work(batch)
    assert wizard.row(batch).checked is None


def test_the_dry_run_says_what_the_import_does(wizard: Wizard) -> None:
    wizard.post("start", first := wizard.checked([person(serial) for serial in range(1, 4)]))
    wizard.work(first)
    rows = [person(1, name="李1"), person(2), person(5), person(6, phone=""), person(5)]
    batch = wizard.checked(rows)
    assert wizard.post("start", batch + 1).status_code == 404
    skipped = wizard.row(batch).checked
    assert (skipped["created"], skipped["updated"], skipped["existing"]) == (1, 0, 2)
    assert wizard.post("recheck", batch, update="y").status_code == 302
    assert wizard.row(batch).checked is None
    wizard.work(batch)
    said = wizard.row(batch).checked
    assert (said["created"], said["updated"], said["existing"]) == (1, 1, 1)
    wizard.post("start", batch)
    wizard.work(batch)
    row = wizard.row(batch)
    assert row.update_existing
    done = (row.rows_read, row.rows_created, row.rows_updated, row.rows_existing, row.rejected)
    assert done == (said["read"], said["created"], said["updated"], said["existing"], said["rejected"])


def test_the_steps_can_not_be_skipped_or_repeated(wizard: Wizard) -> None:
    batch = wizard.upload([person(1)])
    wizard.post("start", batch)
    assert wizard.row(batch).status == "prepared"
    wizard.post("columns", batch, **MATCH)
    assert wizard.post("columns", batch, **MATCH).status_code == 302
    wizard.work(batch)
    wizard.post("start", batch)
    wizard.post("start", batch)
    wizard.post("recheck", batch, update="y")
    assert wizard.row(batch).status == "running"
    wizard.work(batch)
    wizard.work(batch)
    assert wizard.leads() == 1
    for step in ("columns", "review"):
        answer = wizard.client.get(f"/importbatchview/{step}/{batch}")
        assert answer.headers["Location"].endswith(f"/show/{batch}")


@pytest.mark.parametrize("step", ["columns", "review", "recheck", "start"])
@pytest.mark.parametrize("role", ["Marketer", "DataOperator", "Auditor"])
def test_roles_that_may_not_import(
    wizard: Wizard, login: Callable[..., Person], role: str, step: str
) -> None:
    batch = wizard.upload([person(1)])
    stranger = login(role)
    assert stranger.get(f"/importbatchview/{step}/{batch}").status_code in (403, 405)
    assert stranger.submit(f"/importbatchview/{step}/{batch}", MATCH).status_code in (403, 405)
    assert wizard.row(batch).status == "prepared"


@pytest.mark.parametrize("step", ["columns", "recheck", "start", "action/cancel"])
def test_without_the_token_nothing_happens(wizard: Wizard, step: str) -> None:
    batch = wizard.checked([person(1)])
    assert wizard.client.post(f"/importbatchview/{step}/{batch}", data=MATCH).status_code == 400
    assert wizard.row(batch).status == "checked"


@pytest.mark.parametrize("running", [False, True])
def test_cancelled_during_the_check_leaves_nothing(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    rows = [person(serial, phone="1" if serial % 100 == 0 else f"138{serial:08d}") for serial in range(9000)]
    batch = wizard.checked(rows) if running else wizard.upload(rows)
    wizard.post("start", batch) if running else wizard.post("columns", batch, **MATCH)
    check, seen = RowChecker.check, []

    def check_and_cancel(self: RowChecker, number: int, cells: Sequence[str]) -> Any:
        seen.append(number)
        if number == 4500:
            asked = threading.Thread(target=lambda: said.append(wizard.cancel(batch).status_code))
            asked.start()
            asked.join()
        return check(self, number, cells)

    said: list[int] = []
    monkeypatch.setattr(RowChecker, "check", check_and_cancel)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0)
    wizard.work(batch)
    assert said == [302]
    assert 4500 < max(seen) < 7000
    assert wizard.row(batch).status == "cancelled"
    assert (wizard.leads(), wizard.files()) == (0, [])
    assert wizard.session.scalar(select(func.count()).select_from(Branch)) == 1
    assert "已取消" in wizard.see("show", batch)


def test_cancelled_while_the_rows_are_written(wizard: Wizard, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = wizard.checked([person(1), person(2, phone="1")])
    wizard.post("start", batch)
    finish = Merge.finish

    def merge_and_cancel(*args: Any, **options: Any) -> Any:
        merged = finish(*args, **options)
        assert wizard.cancel(batch).status_code == 302
        return merged

    monkeypatch.setattr(Merge, "finish", merge_and_cancel)
    wizard.work(batch)
    assert (wizard.row(batch).status, wizard.leads(), wizard.files()) == ("cancelled", 0, [])


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_cancelled_while_nobody_works_on_it(wizard: Wizard, steps: int) -> None:
    batch = wizard.upload([person(1)])
    for number, step in enumerate(("columns", "check", "start")[:steps]):
        wizard.work(batch) if step == "check" else wizard.post(step, batch, **MATCH if number == 0 else {})
    assert wizard.cancel(batch).status_code == 302
    assert (wizard.row(batch).status, wizard.files()) == ("cancelled", [])
    wizard.work(batch)
    assert (wizard.row(batch).status, wizard.leads()) == ("cancelled", 0)
    wizard.cancel(batch)
    assert wizard.row(batch).status == "cancelled"


@pytest.mark.parametrize("running", [False, True])
def test_cancelled_between_the_status_check_and_the_work(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    batch = wizard.checked([person(1)])
    wizard.post("start", batch) if running else wizard.post("recheck", batch)
    begin = upload_worker._begin

    def begin_and_cancel(key: int) -> Any:
        row = begin(key)
        assert wizard.cancel(batch).status_code == 302
        return row

    monkeypatch.setattr(upload_worker, "_begin", begin_and_cancel)
    wizard.work(batch)
    assert (wizard.row(batch).status, wizard.row(batch).error, wizard.leads()) == ("cancelled", None, 0)


KILLED = """
import os, signal, sys
from app import create_web
from app.leads import row_checker as rows; from app.leads import upload_worker as upload_work
check = rows.RowChecker.check

def check_or_die(self, number, cells):
    if number == 3000:
        os.kill(os.getpid(), signal.SIGKILL)
    return check(self, number, cells)

rows.RowChecker.check = check_or_die
with create_web().app_context():
    upload_work.work_on(int(sys.argv[1]))
"""


@pytest.mark.parametrize("running", [False, True])
def test_a_killed_worker_is_replaced_by_the_ticker(
    wizard: Wizard, redis: Redis, sample_env: dict[str, str], running: bool
) -> None:
    rows = [person(serial) for serial in range(5000)]
    batch = wizard.checked(rows) if running else wizard.upload(rows)
    wizard.post("start", batch) if running else wizard.post("columns", batch, **MATCH)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(batch)], cwd=ROOT, env=sample_env, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert (wizard.row(batch).status, wizard.leads()) == ("running" if running else "checking", 0)
    assert wizard.row(batch).rows_done == 2000
    redis.flushdb()
    # The server rolls back when it notices the death; then it lets the lock of the batch go.
    wizard.session.execute(select(func.pg_advisory_xact_lock(0x1EAD, batch)))
    wizard.session.rollback()
    with wizard.app.app_context():
        ticker.tick(clock.now())
    assert redis.llen("rq:queue:import") == 1
    wizard.work(batch)
    assert wizard.row(batch).status == ("done" if running else "checked")
    assert wizard.leads() == (5000 if running else 0)
    assert (wizard.row(batch).rows_done, wizard.row(batch).rows_total) == (5000, 5000)


@pytest.mark.parametrize("step", ["reading", "checking", "running"])
def test_a_pass_that_kills_its_worker_every_time_is_given_up(wizard: Wizard, step: str) -> None:
    batch = wizard.checked([person(1)])
    for attempts, status in ((MAX_ATTEMPTS - 1, ""), (MAX_ATTEMPTS, "failed")):
        values = {"status": step, "attempts": attempts}
        wizard.session.execute(update(ImportBatch).where(ImportBatch.id == batch).values(values))
        wizard.session.commit()
        begun = wizard.app.app_context()
        with begun:
            row = upload_worker._begin(batch)
        assert wizard.row(batch).status == (status or step)
        assert (row is None) == bool(status)
    page = wizard.see("show", batch)
    assert "中断了 3 次" in page
    assert "名单.csv" in page
    assert f"action/begin_again/{batch}" in page
    [kept] = wizard.files()
    with wizard.app.app_context():
        uploads.discard_forgotten(clock.now() + GIVEN_UP_KEPT - dt.timedelta(hours=1))
    assert wizard.files() == [kept]
    begun = wizard.client.submit(f"/importbatchview/action/begin_again/{batch}")
    assert begun.headers["Location"].endswith(f"/columns/{batch}")
    wizard.work(batch)
    wizard.post("columns", batch, **MATCH)
    wizard.work(batch)
    wizard.post("start", batch)
    wizard.work(batch)
    assert (wizard.row(batch).status, wizard.row(batch).error) == ("done", None)
    assert (wizard.leads(), wizard.files()) == (1, [])


def test_the_file_of_a_failed_import_is_deleted_later(wizard: Wizard) -> None:
    batch = wizard.checked([person(1)])
    given_up = {"status": "running", "attempts": MAX_ATTEMPTS}
    wizard.session.execute(update(ImportBatch).values(given_up))
    wizard.session.commit()
    wizard.work(batch)
    assert len(wizard.files()) == 1
    with wizard.app.app_context():
        uploads.discard_forgotten(clock.now() + GIVEN_UP_KEPT + dt.timedelta(hours=1))
    assert wizard.files() == []
    assert "action/begin_again" not in wizard.see("show", batch)
    wizard.client.submit(f"/importbatchview/action/begin_again/{batch}")
    assert wizard.row(batch).status == "failed"


@pytest.mark.parametrize("step", ["checking", "running"])
def test_a_lost_database_does_not_fail_the_import(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    people = [person(1), person(2)]
    batch = wizard.checked(people) if step == "running" else wizard.upload(people)
    wizard.post("start", batch) if step == "running" else wizard.post("columns", batch, **MATCH)
    check, engine = RowChecker.check, wizard.session.get_bind()

    def lose(self: RowChecker, *row: Any) -> Any:
        superuser_of(engine).execute(  # type: ignore[arg-type]
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lead-monitor' AND datname = current_database()"
        )
        return check(self, *row)

    with monkeypatch.context() as patch, suppress(OperationalError):
        patch.setattr(RowChecker, "check", lose)
        wizard.work(batch)
    assert (wizard.row(batch).status, wizard.leads(), len(wizard.files())) == (step, 0, 1)
    wizard.work(batch)
    assert wizard.row(batch).status == ("done" if step == "running" else "checked")


def test_a_database_restart_does_not_count_as_an_attempt(wizard: Wizard) -> None:
    """The worker's last attempt started before the database last did."""
    batch = wizard.checked([person(1)])
    wizard.post("start", batch)
    before = func.pg_postmaster_start_time() - dt.timedelta(seconds=1)
    for begun, left in ((before, MAX_ATTEMPTS), (func.now(), None)):
        values = {"status": "running", "attempts": MAX_ATTEMPTS, "attempted_at": begun}
        wizard.session.execute(update(ImportBatch).values(values))
        wizard.session.commit()
        with wizard.app.app_context():
            row = upload_worker._begin(batch)
        assert (row is None) == (left is None)
        assert wizard.row(batch).status == ("running" if left else "failed")


def test_a_large_undo_runs_in_the_background(
    wizard: Wizard, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    batch = wizard.checked([person(1)])
    wizard.post("start", batch)
    wizard.work(batch)
    monkeypatch.setattr("app.screens.leads.imports.AT_ONCE", 0)
    redis.flushdb()
    assert wizard.client.submit(f"/importbatchview/action/undo/{batch}").status_code == 302
    assert (wizard.row(batch).status, redis.llen("rq:queue:import")) == ("undoing", 1)
    assert not wizard.progress(batch)["done"]
    assert wizard.leads() == 1
    wizard.session.execute(update(ImportBatch).values(attempts=MAX_ATTEMPTS))
    wizard.session.commit()
    wizard.work(batch)
    assert wizard.row(batch).status == "done"
    assert "中断了 3 次" in wizard.see("show", batch)
    wizard.client.submit(f"/importbatchview/action/undo/{batch}")
    redis.flushdb()
    with wizard.app.app_context():
        ticker.tick(clock.now())
    assert redis.llen("rq:queue:import") == 1
    wizard.work(batch)
    row = wizard.row(batch)
    assert (row.status, row.rows_deleted, row.error) == ("undone", 1, None)
    assert "撤销时删除" in wizard.see("show", batch)
    assert wizard.session.scalar(select(Lead.deleted_at)) is not None


def test_the_progress_shows_rows_and_time(wizard: Wizard) -> None:
    batch = wizard.checked([person(1)])
    wizard.post("start", batch)
    assert wizard.progress(batch)["rate"] is None
    begun = func.now() - dt.timedelta(seconds=10)
    values = {"rows_done": 1000, "rows_total": 4000, "started_at": begun, "progress": 25}
    wizard.session.execute(update(ImportBatch).values(values))
    wizard.session.commit()
    state = wizard.progress(batch)
    assert (state["rows"], state["total"], state["progress"], state["done"]) == (1000, 4000, 25, False)
    assert 90 <= state["rate"] <= 100
    assert 30 <= state["seconds_left"] <= 33
    assert "1,000" in state["details"]
    wizard.session.execute(update(ImportBatch).values(status="failed"))
    wizard.session.commit()
    assert wizard.progress(batch)["progress"] == 25, "where it stopped"


def test_uploads_never_started_are_deleted_after_a_day(wizard: Wizard) -> None:
    kept, old = wizard.upload([person(1)]), wizard.checked([person(2)])
    queued = func.now() - dt.timedelta(hours=25)
    wizard.session.execute(update(ImportBatch).where(ImportBatch.id == old).values(queued_at=queued))
    wizard.session.commit()
    assert len(wizard.files()) == 2
    with wizard.app.app_context():
        ticker.tick(clock.now())
    assert (wizard.row(kept).status, wizard.row(old).status) == ("prepared", "cancelled")
    assert len(wizard.files()) == 1


@pytest.mark.parametrize("running", [False, True])
def test_work_that_never_ends_is_given_up_after_a_day(wizard: Wizard, running: bool) -> None:
    batch = wizard.checked([person(1)])
    wizard.post("start", batch) if running else wizard.post("recheck", batch)
    tick = clock.now()
    for hours, status in ((23, "running" if running else "checking"), (25, "failed")):
        queued = func.now() - dt.timedelta(hours=hours)
        wizard.session.execute(update(ImportBatch).values(queued_at=queued))
        wizard.session.commit()
        with wizard.app.app_context():
            ticker.tick(tick)
        assert wizard.row(batch).status == status
    assert len(wizard.files()) == 1
    page = wizard.see("show", batch)
    assert "“名单.csv”的导入中断，文件保留 7 天" in page
    assert f"action/begin_again/{batch}" in page


def test_a_file_without_a_batch_is_deleted_after_a_day(wizard: Wizard) -> None:
    wizard.upload([person(1)])
    stray = wizard.app.config["SETTINGS"].data_dir / "uploads" / "stray.csv"
    stray.write_text("x")
    now = clock.now()
    with wizard.app.app_context():
        uploads.discard_forgotten(now)
        assert stray.is_file()
        uploads.discard_forgotten(now + dt.timedelta(hours=25))
    assert wizard.files() == []


def test_the_pages_mask_numbers(wizard: Wizard) -> None:
    secret, phone = id_number(4711), "13700004711"
    rows = [
        person(1, id_number=secret, phone=phone),
        person(2, id_number=secret + "1", phone=phone),
        person(3, source=f"备注{secret}", phone=f"+86 {phone[:3]} {phone[3:7]} {phone[7:]}"),
        person(4, name="", id_number=secret, phone=phone, branch=phone),
        person(5, branch=phone, source=phone),
    ]
    for header in (HEADER, list("abcdef"), [*rows[0]]):
        batch = wizard.upload(rows, header)
        pages = [wizard.see("columns", batch)]
        wizard.post("columns", batch, **MATCH)
        wizard.work(batch)
        pages.append(wizard.see("review", batch))
        row = wizard.row(batch)
        for kept in (*pages, str(row.preview), str(row.checked)):
            assert secret[:15] not in kept
            assert phone not in kept.replace(" ", "")
            assert secret[3:14] not in kept


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "是空文件"),
        ("姓名,手机号,身份证号\n".encode(), "没有数据行"),
        ("客户名单\n姓名,手机号,身份证号\n王,1,2\n".encode(), "列名"),
        (b"PK\x03\x04" + b"x" * 100, "名单.csv"),
    ],
)
def test_an_unreadable_file_is_refused_at_once(wizard: Wizard, content: bytes, said: str) -> None:
    answer = wizard.send(content)
    assert answer.status_code == 200
    assert said in answer.text.split('class="error"')[1].split("</p>")[0]
    assert wizard.session.scalar(select(func.count()).select_from(ImportBatch)) == 0
    assert wizard.files() == []


def test_a_replaced_file_fails_in_the_language_of_the_reader(
    wizard: Wizard, login: Callable[..., Person]
) -> None:
    batch = wizard.upload([person(serial) for serial in range(5)])
    Path(str(wizard.row(batch).upload)).write_text("姓名\n王\n", encoding="utf-8")
    wizard.post("columns", batch, **MATCH)
    wizard.work(batch)
    assert (wizard.row(batch).status, wizard.files()) == ("failed", [])
    shown = wizard.see("show", batch)
    main = shown.split("<main", 1)[1].split("</main>", 1)[0]
    assert (shown.count("列数少于"), "撤销" in main) == (1, False)
    english = login("Manager").get(f"/importbatchview/show/{batch}").text
    assert "has fewer columns than were matched" in english


def test_a_damaged_row_is_reported_with_line_and_column_and_the_others_are_imported(
    wizard: Wizard, login: Callable[..., Person]
) -> None:
    batch = wizard.upload([person(serial) for serial in range(5)])
    with Path(str(wizard.row(batch).upload)).open("ab") as file:
        file.write('"王"五,1\n'.encode() + b"L9,\xe7\x8e,1\n")
    wizard.post("columns", batch, **MATCH)
    wizard.work(batch)
    shown = wizard.see("review", batch)
    assert "第 7 行第 1 列 (线索编号)：“&#34;王&#34;五”中的引号不成对" in shown
    assert r"第 8 行第 2 列 (客户姓名)：“\xe7\x8e”不是 UTF-8 编码的文本" in shown
    english = login("Manager").get(f"/importbatchview/review/{batch}").text
    assert "Line 7, column 1 (线索编号): the quotation marks of" in english
    wizard.post("start", batch)
    wizard.work(batch)
    assert (wizard.leads(), wizard.row(batch).rejected) == (5, {"malformed_row": 1, "undecodable": 1})


def test_the_file_of_rejected_rows_can_be_imported_again(wizard: Wizard, tmp_path: Path) -> None:
    def run(path: Path, **match: str) -> int:
        batch = _uploaded(wizard, path)
        wizard.post("columns", batch, **match)
        wizard.work(batch)
        wizard.post("start", batch)
        wizard.work(batch)
        return batch

    strange = ["A", "B", "C"]
    rows = [["王一", "13800000001", id_number(1)], ["王二", "12", id_number(2)]]
    first = run(
        write_xlsx(tmp_path / "list.xlsx", {"s": [strange, *rows]}),
        column_0="name",
        column_1="phone",
        column_2="id_number",
    )
    answer = wizard.client.get(f"/importbatchview/errors/{first}")
    assert f"filename=import-errors-{first}.xlsx" in answer.headers["Content-Disposition"]
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    book.worksheets[0]["B2"] = "13800000002"
    book.save(tmp_path / "corrected.xlsx")
    proposed = wizard.see("columns", _uploaded(wizard, tmp_path / "corrected.xlsx"))
    assert '<option value="id_hash" selected>' in proposed
    second = run(
        tmp_path / "corrected.xlsx",
        column_0="name",
        column_1="phone",
        column_2="id_number",
        column_3="id_hash",
    )
    assert (wizard.leads(), wizard.row(second).rejected) == (2, {})


def _uploaded(wizard: Wizard, path: Path) -> int:
    return int(wizard.send(path.read_bytes(), path.name).headers["Location"].rsplit("/", 1)[1])


def test_the_command_still_imports_by_the_header(wizard: Wizard, cli: Callable[..., Any]) -> None:
    path = write_csv(wizard.app.config["SETTINGS"].data_dir.parent / "c.csv", [HEADER, person(1)])
    assert cli("leads", "import", path, "--json").exit_code == 0
    assert wizard.leads() == 1
