"""Everything the log can hold has a display name: tables, fields, parts of structured fields, kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask_appbuilder import Model
from sqlalchemy import Engine, text

from app.audit.tables import EXCLUDED, QUIET
from app.outreach.settings import OutreachSettings
from app.rules.definition import LeadFilterDef
from app.schedules.definition import ScheduleDef
from app.screens.audit import entries as entries_page
from app.segments.definition import ActivityFilter, HitFilter, SegmentDef
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
    for path in (f"show/{entry.id}", f"list/?_flt_0_row=schedule_version:{entry.object_id}"):
        page = " ".join(re.sub(r"<[^>]+>", " ", auditor.get(f"/changelogview/{path}").text).split())
        assert re.search(r"最小间隔（秒）：\s*\S+ → 变为 77", page)
        assert re.search(r"低频间隔倍数：\s*\S+ → 变为 9", page)
        assert "预设频率" not in page
