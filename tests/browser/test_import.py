"""Background work on its pages: the import of a lead file and a T+1 run."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
from pathlib import Path

from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.jobs import imports
from app.lib.clock import today
from app.models import JobRun, Lead
from app.t1.execute import STEPS, execute
from app.t1.inbox import inbox_folder
from tests.access.world import World
from tests.browser.conftest import Visit
from tests.browser.window import WIDTHS, Window
from tests.leads.support import HEADER, person, write_csv

#: the ID hash of the person in the call log
ACTIVE = hashlib.sha256(b"somebody active").hexdigest()


def opened_row(window: Window) -> int:
    """Return the id of the row whose page is shown."""
    match = re.search(r"/(?:show|columns|review)/(\d+)", window.page.url)
    assert match
    return int(match[1])


def upload_and_check(app: Flask, window: Window, path: Path) -> None:
    """Upload a file and go to the result of its dry run."""
    page = window.page
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name="上传").click()
    page.wait_for_url("**/importbatchview/columns/*")
    expect(page.get_by_label("D 身份证号")).to_have_value("id_number")
    page.get_by_role("button", name="开始校验").click()
    page.wait_for_url("**/importbatchview/review/*")
    expect(page.locator(".progress")).to_contain_text("等待后台处理")
    with app.app_context():
        imports.run(opened_row(window))
    expect(page.locator(".figures")).to_be_visible()


@WIDTHS
def test_a_lead_file_is_uploaded_imported_and_corrected(
    app: Flask, tmp_path: Path, visit: Visit, width: int
) -> None:
    good = [person(serial, branch="HOME") for serial in range(1, 4)]
    path = write_csv(tmp_path / "名单.csv", [HEADER, *good, person(9, phone="123")])
    window = visit("Manager", width=width)
    page = window.page
    window.open("/leadview/list/")
    page.get_by_role("link", name="导入线索").click()
    upload_and_check(app, window, path)
    expect(page.locator(".figures > div").nth(1)).to_have_text("新增3")
    expect(window.row("不是有效的中国电话号码")).to_have_count(1)
    page.get_by_role("button", name="开始导入").click()
    page.wait_for_url("**/importbatchview/show/*")
    expect(page.locator(".track")).to_have_attribute("aria-valuenow", "0")

    with app.app_context():
        imports.run(opened_row(window))
    expect(page.locator(".track")).to_have_attribute("aria-valuenow", "100")
    expect(page.locator(".progress:not([hx-get])")).to_contain_text("读取 4 行")
    expect(page.locator(".facts")).to_contain_text("电话无效 1")
    with page.expect_download() as download:
        page.get_by_role("link", name="下载剔除明细").click()
    rows = list(csv.reader(download.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 2
    assert "123" in rows[1]

    window.open("/leadview/list/")
    expect(window.row("王1")).to_have_count(1)
    expect(window.rows).to_have_count(6)


def test_an_invalid_file_is_refused_beside_the_field(tmp_path: Path, visit: Visit) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG")
    window = visit("Manager")
    window.open("/importbatchview/upload")
    window.page.get_by_role("button", name="上传").click()
    expect(window.page.locator(".field-bad .error")).not_to_be_empty()
    window.page.locator("input[type=file]").set_input_files(path)
    window.page.get_by_role("button", name="上传").click()
    expect(window.page.locator(".field-bad .error")).to_contain_text("picture.png")


def test_a_file_can_be_dropped_and_its_size_is_checked_first(visit: Visit) -> None:
    window = visit("Manager")
    page = window.page
    window.open("/importbatchview/upload")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['x'.repeat(2000)], 'a.csv'));"
        " return data; }"
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    assert page.evaluate("document.querySelector('input[type=file]').files[0].name") == "a.csv"
    send = page.get_by_role("button", name="上传")
    expect(send).to_be_enabled()
    page.evaluate("document.querySelector('[data-drop]').dataset.most = 0.001")
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    expect(send).to_be_disabled()
    expect(page.locator("[data-part=too-large]")).to_contain_text("300 MB")


def test_another_choice_for_existing_leads_is_checked(app: Flask, tmp_path: Path, visit: Visit) -> None:
    window = visit("Manager")
    page = window.page
    window.open("/importbatchview/upload")
    upload_and_check(app, window, write_csv(tmp_path / "leads.csv", [HEADER, person(1, branch="HOME")]))
    page.get_by_label("按文件更新").click()
    expect(page.locator(".progress")).to_contain_text("等待后台处理")
    expect(page.get_by_role("button", name="开始导入")).to_have_count(0)
    with app.app_context():
        imports.run(opened_row(window))
    expect(page.get_by_label("按文件更新")).to_be_checked()


def test_the_template_can_be_downloaded(visit: Visit) -> None:
    window = visit("Manager")
    window.open("/importbatchview/upload")
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="下载模板").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert next(csv.reader([text.splitlines()[0]])) == HEADER


@WIDTHS
def test_a_run_is_started_watched_and_ends(
    app: Flask, session: Session, world: World, visit: Visit, width: int
) -> None:
    # Activity distinguishes people by the first half of the hash, which is the same for all in this world.
    session.get_one(Lead, world.ids["lead_home"]).id_hash = ACTIVE
    session.commit()
    with app.app_context():
        day = today() - dt.timedelta(days=1)
        write_log(inbox_folder(app.config["SETTINGS"]) / "log.jsonl", day)
    window = visit("Admin", width=width)
    page = window.page
    window.open("/jobrunview/list/")
    page.get_by_role("link", name="执行 T+1 任务").click()
    page.locator("main [data-date]").fill((day + dt.timedelta(days=1)).isoformat())
    page.get_by_role("button", name="开始执行").click()
    expect(page.locator(".field-bad .error")).not_to_be_empty()
    page.locator("main [data-date]").fill(day.isoformat())
    page.get_by_role("button", name="开始执行").click()
    page.wait_for_url("**/jobrunview/show/*")
    expect(page.locator(".step")).to_have_count(len(STEPS))
    expect(page.locator(".step-done")).to_have_count(0)

    with app.app_context():
        execute(opened_row(window))
    expect(page.locator(".step-done")).to_have_count(len(STEPS))
    expect(page.locator(".track")).to_have_attribute("aria-valuenow", "100")
    expect(page.locator(".progress:not([hx-get])")).to_contain_text("新增命中 1 条")
    window.open(f"/hitview/list/?_flt_0_hit_date={day}")
    expect(window.row("客户HOME")).to_have_count(1)


def write_log(path: Path, day: dt.date) -> None:
    """Write three calls of the first lead on a day."""
    calls = [
        {
            "request_id": f"r{hour}",
            "event_time": f"{day} {hour:02d}:00:00",
            "event_type": "data_call",
            "institution_code": "I-1",
            "id_hash": ACTIVE,
            "result": "success",
        }
        for hour in (9, 10, 11)
    ]
    path.write_text("".join(json.dumps(call) + "\n" for call in calls), encoding="utf-8")


def test_the_progress_bar_moves_while_the_page_is_open(world: World, session: Session, visit: Visit) -> None:
    def write(**values: object) -> None:
        session.execute(update(JobRun).where(JobRun.id == world.ids["run"]).values(**values))
        session.commit()

    write(status="running", progress=10)
    window = visit("Manager")
    window.open(f"/jobrunview/show/{world.ids['run']}")
    bar = window.page.locator(".track")
    expect(bar).to_have_attribute("aria-valuenow", "10")
    steps = [{"name": "ingest", "status": "done"}, {"name": "activity", "status": "running"}]
    write(progress=40, steps=steps)
    expect(bar).to_have_attribute("aria-valuenow", "40")
    expect(window.page.locator(".step-done")).to_have_count(1)
    expect(window.page.locator(".step-running")).to_have_count(1)


def test_an_import_is_undone_after_a_question(app: Flask, tmp_path: Path, visit: Visit) -> None:
    path = write_csv(tmp_path / "leads.csv", [HEADER, person(1, branch="HOME")])
    window = visit("Manager")
    page = window.page
    window.open("/importbatchview/upload")
    upload_and_check(app, window, path)
    page.get_by_role("button", name="开始导入").click()
    page.wait_for_url("**/importbatchview/show/*")
    with app.app_context():
        imports.run(opened_row(window))
    page.reload()
    page.get_by_role("button", name="撤销").click()
    window.dialog.get_by_role("button", name="撤销").click()
    expect(page.locator(".toast-good")).to_be_visible()
    window.open("/leadview/list/")
    expect(window.row("王1")).to_have_count(0)
