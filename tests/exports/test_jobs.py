"""Exports of whole lists: filtered, masked, in the asker's scope, watermarked, handed to the asker only."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.exports import content, files
from app.exports import jobs as export_jobs
from app.exports.jobs import make_export
from app.jobs import ticker
from app.jobs.leases import MAX_ATTEMPTS
from app.jobs.nudges import queue
from app.jobs.worker import work
from app.models import ExportJob, Lead
from tests import clock
from tests.access.world import World
from tests.conftest import Person
from tests.leads.support import write_csv


@pytest.fixture
def export(app: Flask, session: Session) -> Callable[..., ExportJob]:
    """Ask for an export on the screen and make it."""

    def run(person: Person, path: str, form: str = "csv", facts: Sequence[str] = ()) -> ExportJob:
        asked = person.submit(path, {"format": form, "facts": list(facts)})
        assert asked.status_code == 302, asked.text
        with app.app_context():
            make_export(int(asked.headers["Location"].rsplit("/", 1)[1]))
        session.rollback()
        job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
        session.refresh(job)
        return job

    return run


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def fetched(person: Person, job: ExportJob) -> Any:
    return person.get(f"/exportjobview/fetch/{job.id}")


def test_a_file_names_who_and_when_and_masks_phones(
    world: World, login: Callable[..., Person], export: Callable[..., ExportJob], app: Flask
) -> None:
    manager = login("Manager", username="chen", language="zh")
    job = export(manager, "/leadview/export_all")
    assert (job.status, job.rows, job.progress, job.error) == ("done", 3, 100, None)
    answer = fetched(manager, job)
    now = clock.now().astimezone(app.config["SETTINGS"].zone)
    assert f"leads-chen-{now:%Y%m%d}" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    first, header, *rows = rows_of(answer.data)
    assert "chen" in first[0]
    assert f"{now:%Y-%m-%d}" in first[0]
    assert header[:3] == ["线索编号", "客户姓名", "联系电话"]
    assert [row[2] for row in rows] == ["138****0001", "138****0002", "138****0003"]
    assert b"1380000000" not in answer.data
    path = app.config["SETTINGS"].data_dir / "exports" / str(job.file)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_facts_are_columns_for_those_who_may_see_them(
    world: World,
    session: Session,
    login: Callable[..., Person],
    export: Callable[..., ExportJob],
    cli: Callable[..., Any],
    app: Flask,
    tmp_path: Path,
) -> None:
    config = tmp_path / "facts.yaml"
    config.write_text(
        "facts: [{code: due, name: 到期日, kind: date},"
        " {code: health, name: 健康, kind: flag, sensitive: true},"
        " {code: risk, name: 风险, kind: number, purpose: risk}]",
        "utf-8",
    )
    assert cli("config", "apply", config).exit_code == 0
    rows = [["lead_no", "aum", "due", "health", "risk"], ["L1001", "1234.5", "2027-01-31", "是", "1"]]
    assert cli("facts", "import", write_csv(tmp_path / "f.csv", rows)).exit_code == 0
    admin, marketer = login("Admin", language="zh"), login("Marketer", username="k1", branch=world.home)
    page = marketer.get("/hitview/export_all").text
    offered = [f'value="{code}"' in page for code in ("aum", "due", "health", "risk")]
    assert offered == [True, True, False, False]
    refused = marketer.submit("/hitview/export_all", {"format": "csv", "facts": ["health"]})
    assert refused.status_code == 200
    for path in ("/leadview/export_all", "/hitview/export_all", "/customerview/export_all"):
        _first, header, *found = rows_of(
            fetched(admin, export(admin, path, facts=["due", "aum", "health"])).data
        )
        assert header[-3:] == ["到期日", "金融资产 (元)", "健康"], path
        own = {tuple(row[-3:]) for row in found if row[0] == "L1001"}
        assert own == {("2027-01-31", "1234.5", "是")}, path
        assert {tuple(row[-3:]) for row in found if row[0] != "L1001"} == {("", "", "")}, path
    session.execute(text("UPDATE fact_definition SET sensitive = true WHERE code = 'due'"))
    session.commit()
    job = ExportJob(kind="hits", format="csv", facts=["due"], requested_by="k1")
    session.add(job)
    session.commit()
    with app.app_context():
        make_export(job.id)
    session.refresh(job)
    assert job.status == "failed"
    assert "due" in str(job.error)


def test_xlsx_has_the_same_rows(
    world: World, login: Callable[..., Person], export: Callable[..., ExportJob]
) -> None:
    manager = login("Manager")
    book = openpyxl.load_workbook(
        io.BytesIO(fetched(manager, export(manager, "/hitview/export_all", "xlsx")).data)
    )
    rows = list(book.worksheets[0].values)
    assert len(rows) == 2 + 9
    assert {row[2] for row in rows[2:]} == {"138****0001", "138****0002", "138****0003"}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("_flt_0_lead_no=L1002", ["L1002"]),
        ("_flt_0_branch={home}", ["L1001"]),
        ("_flt_1_status=lost", []),
        ("_flt_0_phone_index={index}", ["L1003"]),
        ("_flt_0_name=13800000001", []),
    ],
)
def test_the_list_s_filters_apply(
    query: str,
    numbers: list[str],
    world: World,
    session: Session,
    login: Callable[..., Person],
    export: Callable[..., ExportJob],
) -> None:
    index = session.scalars(select(Lead.phone_index).where(Lead.lead_no == "L1003")).one()
    manager = login("Manager")
    manager.submit("/leadview/search", {"_flt_0_phone_index": "13800000003"})
    job = export(manager, "/leadview/export_all?" + query.format(**world.ids, index=index))
    assert [row[0] for row in rows_of(fetched(manager, job).data)[2:]] == numbers
    assert "13800000001" not in str(job.filters)


def test_a_filter_that_the_list_refuses_starts_nothing(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    for query in ("_flt_0_phone_index=13800000001", "_flt_0_created_at=x", "_flt_7_name=x"):
        assert manager.submit(f"/leadview/export_all?{query}", {"format": "csv"}).status_code == 400
    assert manager.submit("/leadview/export_all", {"format": "exe"}).status_code == 200
    assert session.scalars(select(ExportJob.id).where(ExportJob.requested_by != "me")).all() == []


def test_row_scope_is_that_of_who_asked(
    world: World, login: Callable[..., Person], export: Callable[..., ExportJob]
) -> None:
    marketer = login("Marketer", branch=world.home)
    job = export(marketer, "/hitview/export_all")
    assert {row[0] for row in rows_of(fetched(marketer, job).data)[2:]} == {"L1001", "L1003"}
    assert marketer.submit("/leadview/export_all", {"format": "csv"}).status_code == 403


def test_rights_lost_meanwhile_count(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager", username="chen")
    manager.submit("/leadview/export_all", {"format": "csv"})
    session.execute(
        text("DELETE FROM ab_user_role WHERE user_id = (SELECT id FROM ab_user WHERE username = 'chen')")
    )
    session.commit()
    job = session.scalars(select(ExportJob).where(ExportJob.requested_by == "chen")).one()
    with app.app_context():
        make_export(job.id)
    session.refresh(job)
    assert (job.status, job.file) == ("failed", None)
    assert "may no longer export" in str(job.error)


def test_only_the_asker_and_an_administrator_get_the_file(
    world: World, login: Callable[..., Person], export: Callable[..., ExportJob]
) -> None:
    job = export(login("Manager"), "/leadview/export_all")
    assert fetched(login("Manager"), job).status_code == 404
    assert fetched(login("Marketer", branch=world.home), job).status_code == 404
    assert fetched(login("Auditor"), job).status_code == 403
    assert fetched(login("Admin"), job).status_code == 200


def test_formulas_are_text(
    world: World, session: Session, login: Callable[..., Person], export: Callable[..., ExportJob]
) -> None:
    for number, name in enumerate(["=1+1", "@x", "-2", "\u0007bell"], 1):
        session.get_one(Lead, world.ids["lead_home"] if number == 1 else world.ids["lead_sub"]).name = name
        session.commit()
        manager = login("Manager")
        for form in ("csv", "xlsx"):
            data = fetched(manager, export(manager, "/leadview/export_all", form)).data
            if form == "csv":
                cells = [cell for row in rows_of(data) for cell in row]
            else:
                sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
                assert all(cell.data_type != "f" for row in sheet for cell in row)
                cells = [str(cell) for row in sheet.values for cell in row if cell]
            assert not [cell for cell in cells if cell.startswith(("=", "@", "-", "+"))]


def test_paging_through_the_rows_misses_none(
    world: World,
    login: Callable[..., Person],
    export: Callable[..., ExportJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content, "ROWS_AT_ONCE", 2)
    manager = login("Manager")
    assert export(manager, "/hitview/export_all").rows == 9


def test_more_rows_than_a_sheet_holds_go_on_the_next(
    world: World,
    login: Callable[..., Person],
    export: Callable[..., ExportJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "ROWS_PER_SHEET", 4)
    manager = login("Manager")
    data = fetched(manager, export(manager, "/hitview/export_all", "xlsx")).data
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert [sheet.max_row for sheet in book.worksheets] == [6, 6, 3]


def test_a_failed_export_leaves_no_file_and_says_so(
    app: Flask,
    world: World,
    session: Session,
    login: Callable[..., Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("disk full at /secret/place")

    monkeypatch.setattr(files, "_write_book", broken)
    manager = login("Manager")
    manager.submit("/leadview/export_all", {"format": "xlsx"})
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
    with app.app_context(), pytest.raises(OSError, match="disk full"):
        make_export(job.id)
    session.refresh(job)
    assert (job.status, str(job.error)) == ("failed", "OSError: see the worker's log")
    assert list((app.config["SETTINGS"].data_dir / "exports").iterdir()) == []


def test_one_worker_at_a_time_and_one_that_died_is_replaced(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    login("Manager").submit("/leadview/export_all", {"format": "csv"})
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
    session.commit()
    with app.app_context():
        with export_jobs.JOBS.owned(job.id):
            make_export(job.id)
            session.refresh(job)
            assert job.status == "running"
        make_export(job.id)
        session.refresh(job)
        assert job.status == "running", "its worker may still be alive"
        session.execute(update(ExportJob).values(lease_until=clock.now() - dt.timedelta(seconds=1)))
        session.commit()
        make_export(job.id)
        session.refresh(job)
        assert job.status == "done"
        before = job.file
        make_export(job.id)
        session.refresh(job)
        assert job.file == before


def test_an_export_that_kills_its_worker_every_time_is_given_up(
    app: Flask, world: World, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    manager.submit("/leadview/export_all", {"format": "csv"})
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
    job.status, job.attempts = "running", MAX_ATTEMPTS
    session.commit()
    with app.app_context():
        make_export(job.id)
    session.refresh(job)
    assert (job.status, job.file) == ("failed", None)
    assert "interrupted 3 times" in manager.get(f"/exportjobview/show/{job.id}").text


def test_a_job_that_needs_more_memory_than_a_worker_may_take_says_so(
    app: Flask,
    world: World,
    session: Session,
    login: Callable[..., Person],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], worker_memory_mb=1024)
    manager = login("Manager", language="zh")
    manager.submit("/leadview/export_all", {"format": "csv"})
    monkeypatch.setattr(export_jobs, "write_table", lambda *_: bytes(1200 << 20))
    with app.app_context():
        work("default", burst=True)
    job = session.scalars(select(ExportJob).order_by(ExportJob.id.desc()).limit(1)).one()
    assert (job.status, job.attempts, job.file) == ("failed", 1, None)
    assert "WORKER_MEMORY_MB" in manager.get(f"/exportjobview/show/{job.id}").text
    with app.app_context():
        export_jobs.JOBS.nudge_all()
        assert queue("default").count == 0


def test_the_ticker_nudges_what_waits(
    app: Flask, world: World, redis: Redis, login: Callable[..., Person]
) -> None:
    login("Manager").submit("/leadview/export_all", {"format": "csv"})
    redis.flushdb()
    with app.app_context():
        ticker.tick(dt.datetime(2026, 10, 27, tzinfo=dt.UTC))
    queued = Queue("default", connection=redis, serializer=JSONSerializer).jobs
    assert "app.jobs.exports.run" in [job.func_name for job in queued]


def test_a_person_has_few_exports_under_way(
    world: World, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager", username="chen")
    answers = [
        manager.submit("/leadview/export_all", {"format": "csv"}).status_code
        for _ in range(export_jobs.MAX_OPEN + 1)
    ]
    assert answers == [302] * export_jobs.MAX_OPEN + [200]


def test_the_button_carries_the_filters(world: World, login: Callable[..., Person]) -> None:
    page = login("Manager").get("/leadview/list/?_flt_0_lead_no=L1&_oc_LeadView=name&_od_LeadView=asc").text
    assert 'href="/leadview/export_all?_flt_0_lead_no=L1"' in page
    assert "export_all" not in login("Auditor").get("/leadview/list/").text


def test_the_page_says_how_many_rows_and_which(world: World, login: Callable[..., Person]) -> None:
    manager = login("Manager")
    listed = re.search(r"(\d+) rows?\b", manager.get("/leadview/list/").text)
    assert listed
    assert f"<strong>{listed[0]}</strong>" in manager.get("/leadview/export_all").text
    page = manager.get("/leadview/export_all?_flt_0_lead_no=L1001").text
    assert "<strong>1 row</strong>" in page


def test_no_part_is_left(
    world: World, login: Callable[..., Person], export: Callable[..., ExportJob], app: Flask
) -> None:
    manager = login("Manager")
    made = {export(manager, "/leadview/export_all", form).file for form in ("csv", "xlsx")}
    folder: Path = app.config["SETTINGS"].data_dir / "exports"
    assert {path.name for path in folder.iterdir()} == made
