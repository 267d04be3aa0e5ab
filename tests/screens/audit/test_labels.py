"""Everything the log can hold has a display name: tables, fields, parts of structured fields, kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask_appbuilder import Model
from sqlalchemy import Engine, text, update
from sqlalchemy.orm import Session

from app.audit.tables import EXCLUDED, QUIET
from app.models import ChangeLog, ImportBatch, ScheduleVersion, Target
from app.outreach.settings import OutreachSettings
from app.rules.definition import LeadFilterDef
from app.schedules.definition import ScheduleDef
from app.screens.audit import entries as entries_page
from app.screens.audit import page as entry_page
from app.segments.definition import ActivityFilter, HitFilter, SegmentDef
from tests.access.world import World
from tests.audit.conftest import Entries
from tests.conftest import Person

STRUCTURED = {
    "schedule_version": [ScheduleDef],
    "schedule_shortcut": [ScheduleDef],
    "rule_version": [LeadFilterDef],
    "segment": [SegmentDef, HitFilter, ActivityFilter],
    "outreach_setting": [OutreachSettings],
}


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest, app: Flask) -> str:
    return str(request.param)


def test_every_table_and_field_has_a_name(language: str, app: Flask) -> None:
    logged = {name: table for name, table in Model.metadata.tables.items() if name not in EXCLUDED}
    with app.test_request_context(headers={"Accept-Language": language}):
        assert [name for name in logged if entries_page.object_name(name) == name] == []
        fields = [(name, column) for name, table in logged.items() for column in list(table.columns.keys())]
        shown = [pair for pair in fields if pair[1] not in QUIET]
        assert [pair for pair in shown if entries_page.field_label(*pair) == pair[1]] == []


def test_parts_are_told_by_what_they_are_within(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        planned = [("held", "converted"), ("held", "opted_out"), ("texts", "9", "segments")]
        told = [entries_page.part_label("outreach_batch", each) for each in planned]
        assert told == ["已拦截 › 触达前已转化", "已拦截 › 在免打扰名单中", "文案 › 9 › 短信条数"]


def test_parts_of_structured_fields_and_kinds_have_names(app: Flask) -> None:
    with app.test_request_context():
        parts = [(table, name) for table, of in STRUCTURED.items() for one in of for name in one.model_fields]
        assert [pair for pair in parts if entries_page.field_label(*pair) == pair[1]] == []
        for path in Path("app").rglob("*.py"):
            for kind in re.findall(
                r"(?<!\w)(?:event|_change)\(\s*(?:items, )?\"(\w+)\"", path.read_text("utf-8")
            ):
                assert kind in entries_page.KIND, f"{path}: {kind}"


def test_a_changed_definition_is_shown_part_by_part(
    app: Flask, engine: Engine, login: Callable[..., Person], world: object, entries: Entries
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text('UPDATE schedule_version SET spec = spec || \'{"min_gap_seconds": 77, "low_factor": 9}\'')
        )
    entry = entries(object="schedule_version", kind="update")[-1]
    auditor = login("Auditor", language="zh")
    listed, shown = (
        " ".join(re.sub(r"<[^>]+>", " ", auditor.get(f"/changelogview/{path}").text).split())
        for path in (f"list/?_flt_0_row=schedule_version:{entry.object_id}", f"show/{entry.id}")
    )
    assert re.search(r"最小间隔（秒）：\s*\S+ → 变为 77", listed)
    assert re.search(r"低频间隔倍数：\s*\S+ → 变为 9", listed)
    assert re.search(r"› 最小间隔（秒） \S+ 77", shown)
    assert re.search(r"› 低频间隔倍数 \S+ 9", shown)
    assert "预设频率" not in listed + shown


def test_structured_values_are_shown_as_words_and_not_as_json(
    app: Flask, engine: Engine, session: Session, login: Callable[..., Person], world: World, entries: Entries
) -> None:
    auditor = login("Auditor", language="zh", username="lin")
    session.execute(
        update(ScheduleVersion).values(
            spec={
                "preset": "hourly",
                "channels": [{"kind": "reminder", "target": "T-1"}],
                "holidays": "silent",
            }
        )
    )
    session.execute(update(Target).values(settings={"roles": ["Marketer", "Manager"], "branch": ""}))
    session.execute(
        update(ImportBatch).values(
            rejected={"missing_name": 2}, error_file="/srv/errors/7.csv", created_by="lin"
        )
    )
    session.commit()
    found = {
        table: " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.S).split())
        for table, name in (
            ("schedule_version", "schedule_version"),
            ("target", "target"),
            ("import_batch", "batch"),
        )
        for entry in entries(object=table, object_id=str(world.ids[name]), kind="update")[-1:]
        for page in [auditor.get(f"/changelogview/show/{entry.id}").text]
    }
    assert not [text for text in found.values() if re.search(r"[{}\[\]]", text.split("变更内容")[1])]
    assert re.search(r"› 预设频率 \S+ 每小时", found["schedule_version"])
    assert re.search(r"推送渠道 › 1 › 推送目标 \S+ T-1", found["schedule_version"])
    assert re.search(r"推送渠道 › 1 › 类型 \S+ 站内提醒", found["schedule_version"])
    assert "› 角色" in found["target"]
    assert "营销专员、营销主管" in found["target"]
    assert re.search(r"› 缺少姓名 \S+ 2", found["import_batch"])
    assert re.search(r"错误文件 \S+ 7.csv", found["import_batch"])
    assert re.search(r"操作人 \S+ 测试", found["import_batch"])


def test_a_job_of_an_entry_has_a_name(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        asked = {
            request: entry_page.request_of(ChangeLog(source="job", request=request))
            for request in ("ticker", "run 7", "weekly report", "something new")
        }
        assert asked == {
            "ticker": "定时任务",
            "run 7": "T+1 任务 #7",
            "weekly report": "营销周报",
            "something new": "something new",
        }
        command = ChangeLog(source="cli", request="run 7")
        assert entry_page.request_of(command) == "run 7"


def test_people_and_roles_are_told_by_name(app: Flask, login: Callable[..., Person]) -> None:
    login("Auditor", username="lin")
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        known, unknown, role = (
            str(entries_page.subject(ChangeLog(object=table, title=title, kind="log_in")))
            for table, title in (("ab_user", "lin"), ("ab_user", "gone"), ("ab_role", "Auditor"))
        )
    assert known.endswith("测试 (lin)")
    assert unknown.endswith(" gone")
    assert role.endswith(" 审计员")
