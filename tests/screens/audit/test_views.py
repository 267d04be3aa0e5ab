"""The screens of the change log, used by an auditor over HTTP."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.audit.chain import seal
from app.jobs import audit as audit_job
from app.models import AuditJob, SavedView
from config import Settings
from tests.access.world import World
from tests.audit.conftest import Entries
from tests.conftest import Person
from tests.database import superuser

Login = Callable[..., Person]


@pytest.fixture
def auditor(login: Login, world: World) -> Person:
    """Log in an auditor, after a manager changed a lead and a marketer was refused a page."""
    manager = login("Manager", username="boss")
    edit = {"name": "王小明", "status": "paused", "source": "线下活动", "branch": str(world.home.id)}
    assert manager.submit(f"/leadview/edit/{world.ids['lead_home']}", edit).status_code == 302
    login("Marketer", username="curious").get("/users/list/")
    return login("Auditor", username="auditor", language="zh")


def words(page: str) -> str:
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.S).split())


def test_an_entry_shows_each_field_from_old_to_new(auditor: Person, entries: Entries, world: World) -> None:
    [entry] = entries(object="lead", kind="update")
    page = words(auditor.get(f"/changelogview/show/{entry.id}").text)
    assert "项目 变更前 变更后" in page
    assert "状态 正常 已暂停" in page
    assert "来源渠道 官网预约 线下活动" in page
    assert "操作人 测试" in page
    assert "途径 页面操作" in page
    assert "尚未" in page


def test_foreign_keys_are_shown_as_names(
    auditor: Person, entries: Entries, engine: Engine, world: World
) -> None:
    with engine.begin() as connection:
        change = text("UPDATE lead SET branch_id = :branch WHERE id = :lead")
        connection.execute(change, {"branch": world.away.id, "lead": world.ids["lead_home"]})
    entry = entries(object="lead", kind="update")[-1]
    assert "所属机构 HOME 支行 AWAY 支行" in words(auditor.get(f"/changelogview/show/{entry.id}").text)


@pytest.mark.parametrize(
    ("filters", "seen", "unseen"),
    [
        ("_flt_0_person=curious", "拒绝访问", "L1001"),
        ("_flt_1_kind=update", "L1001", "GET /users/list/"),
        ("_flt_0_about=lead&_flt_1_source=screen", "L1001", "GET /users/list/"),
        ("_flt_0_about=page", "GET /users/list/", "L1001"),
        ("_flt_1_source=sql", "直接写库", "GET /users/list/"),
        ("_flt_0_time=2001-01-01&_flt_1_time=2001-01-02", "没有符合", "L1001"),
    ],
)
def test_filters_find_sealed_and_unsealed_entries(
    filters: str, seen: str, unseen: str, auditor: Person, engine: Engine, settings: Settings
) -> None:
    for sealed in (False, True):
        if sealed:
            seal(engine, settings)
        page = auditor.get(f"/changelogview/list/?{filters}&psize_ChangeLogView=200").text
        table = page[page.index("data-list") :]
        assert seen in table
        assert unseen not in table


def test_deep_pages_are_capped(auditor: Person, app: Flask, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO change_log (kind, object, title) SELECT 'log_in', 'ab_user', 'T' || n"
                " FROM generate_series(0, 10100) n"
            )
        )
    page = words(auditor.get("/changelogview/list/?page_ChangeLogView=999&_flt_1_kind=log_in").text)
    assert "第 10,000 条" in page
    assert page.count(" T1") < 100
    assert " T102 " in page


@pytest.mark.parametrize("wrong", ["_flt_0_row=lead", "_flt_0_transaction=x"])
def test_an_invalid_filter_is_refused(wrong: str, auditor: Person) -> None:
    assert auditor.get(f"/changelogview/list/?{wrong}").status_code == 400


def test_a_row_links_to_its_history_for_those_who_may_read_it(
    auditor: Person, login: Login, world: World
) -> None:
    lead = world.ids["lead_home"]
    page = auditor.get(f"/leadview/show/{lead}").text
    address = f"/changelogview/list/?_flt_0_row=lead:{lead}"
    assert address in page.replace("%3A", ":")
    history = auditor.get(address).text
    assert "共 2 条" in words(history)
    assert "/changelogview/" not in login("Manager").get(f"/leadview/show/{lead}").text


def run(app: Flask, session: Session) -> AuditJob:
    job = session.scalars(select(AuditJob).order_by(AuditJob.id.desc())).first()
    assert job is not None
    with app.app_context():
        audit_job.run(job.id)
    session.refresh(job)
    return job


def test_the_page_shows_unsealed_entries(
    auditor: Person, engine: Engine, settings: Settings, session: Session
) -> None:
    seal(engine, settings)
    assert "尚未封存" not in words(auditor.get("/auditjobview/verify").text)
    with engine.connect() as slow:
        slow.execute(text("INSERT INTO institution (code, name) VALUES ('SLOW', 'x')"))
        session.add(SavedView(name="x", view="x", filters=[], owner="x"))
        session.commit()
        page = words(auditor.get("/auditjobview/verify").text)
        slow.rollback()
    assert "最新 1 条" in page
    assert "lead_monitor pid" in page


def test_a_verification_names_the_first_bad_entry(
    app: Flask, auditor: Person, session: Session, engine: Engine, settings: Settings, entries: Entries
) -> None:
    address = auditor.submit("/auditjobview/verify").headers["Location"]
    assert (
        auditor.submit("/auditjobview/verify").headers["Location"] == "/auditjobview/list/"
    )  # one at a time
    job = run(app, session)
    assert (job.status, job.result and job.result["ok"]) == ("done", True)
    assert "完整" in auditor.get(address).text
    bad = entries(object="lead", kind="update")[0].id
    with superuser(engine.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE change_log SET actor = 'x' WHERE id = %s", [bad])
    address = auditor.submit("/auditjobview/verify").headers["Location"]
    run(app, session)
    page = auditor.get(address).text
    assert f"第一条异常为 {bad}" in page
    assert f"/changelogview/show/{bad}" in page
    assert auditor.get(address.replace("show", "progress")).get_json()["done"] is True


def test_an_export_carries_its_proof(
    app: Flask, auditor: Person, session: Session, engine: Engine, settings: Settings, entries: Entries
) -> None:
    seal(engine, settings)
    address = auditor.submit("/changelogview/export_log?_flt_0_about=lead").headers["Location"]
    job = run(app, session)
    assert job.status == "done", job.error
    answer = auditor.get(address.replace("show", "fetch"))
    package = zipfile.ZipFile(io.BytesIO(answer.data))
    data, proof = package.read("change-log.csv"), json.loads(package.read("proof.json"))
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    found = entries(object="lead")
    assert [int(row["id"]) for row in rows] == [entry.id for entry in found]
    for row in rows:
        joined = bytes.fromhex(row["previous_hash"]) + bytes.fromhex(row["entry_hash"])
        assert hashlib.sha256(joined).hexdigest() == row["chain_hash"]
    assert proof["csv_sha256"] == hashlib.sha256(data).hexdigest()
    assert (proof["entries"], proof["first_id"], proof["last_id"]) == (len(found), found[0].id, found[-1].id)
    assert (proof["not_sealed"], proof["chain"]["ok"], proof["filters"]) == (
        *(0, True),
        [["about", "is", "lead"]],
    )
    assert proof["chain"]["head"] == proof["checkpoint"]["head"]
    assert [entry.title for entry in entries(kind="download")] == [f"GET {address.replace('show', 'fetch')}"]


def test_an_export_fails_when_the_user_was_disabled(
    app: Flask, auditor: Person, session: Session, engine: Engine
) -> None:
    auditor.submit("/changelogview/export_log")
    with engine.begin() as connection:
        connection.execute(text("UPDATE ab_user SET active = false WHERE username = 'auditor'"))
    job = run(app, session)
    assert (job.status, job.file) == ("failed", None)


def test_only_the_requester_and_administrators_download_an_export(
    app: Flask, auditor: Person, session: Session, login: Login
) -> None:
    address = auditor.submit("/changelogview/export_log").headers["Location"].replace("show", "fetch")
    run(app, session)
    assert login("Auditor").get(address).status_code == 403
    assert login("Admin").get(address).status_code == 200


def test_nothing_on_the_page_reveals_personal_data(
    login: Login, session: Session, entries: Entries, world: World, engine: Engine
) -> None:
    manager: Any = login("Manager")
    new = {"name": "丁一一", "phone": "13911112222", "id_number": "310101199709060963", "status": "active"}
    assert manager.submit("/leadview/add", new).status_code == 302
    auditor = login("Auditor")
    entry = entries(object="lead", kind="insert")[-1]
    with engine.connect() as connection:
        lead = connection.execute(text("SELECT * FROM lead ORDER BY id DESC LIMIT 1")).one()
    for path in (f"show/{entry.id}", "list/"):
        page = auditor.get(f"/changelogview/{path}").text
        for secret in (
            "13911112222",
            "139****2222",
            "310101199709060963",
            lead.id_hash,
            lead.phone_index,
            "丁一一",
        ):
            assert secret not in page
        assert "丁**" in page
