"""An export of ticked rows shows what an export of the whole list shows of them, in the person's language."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.exports.jobs import make_export
from app.models import ExportJob, Lead
from tests import clock
from tests.access.world import World
from tests.conftest import Person

#: list → the row of the world that is ticked, and by language what the file says of it
EXPECTED: dict[str, tuple[str, dict[str, list[list[str]]]]] = {
    "leadview": (
        "lead_home",
        {
            "zh": [
                ["线索编号", "客户姓名", "联系电话", "来源渠道", "状态", "所属机构", "创建时间"],
                ["L1001", "'=1+1", "138****0001", "官网预约", "正常", "HOME 支行", "2026-10-27 00:30:00"],
            ],
            "en": [
                ["Lead no.", "Customer name", "Phone", "Source channel", "Status", "Branch", "Created"],
                ["L1001", "'=1+1", "138****0001", "官网预约", "Active", "HOME 支行", "2026-10-27 00:30:00"],
            ],
        },
    ),
    "hitview": (
        "hit_home_in_progress",
        {
            "zh": [
                [
                    "线索编号",
                    "客户姓名",
                    "联系电话",
                    "所属机构",
                    "命中指标",
                    "指标版本",
                    "等级",
                    "评分",
                    "命中原因",
                    "命中日期",
                    "状态",
                    "业务结果日期",
                    "转化",
                ],
                [
                    "L1001",
                    "'=1+1",
                    "138****0001",
                    "HOME 支行",
                    "一",
                    "v1",
                    "B",
                    "5.00",
                    "近7天在 机构一活跃 5 次，阈值 3 次",
                    "2026-10-16",
                    "营销进行中",
                    "",
                    "否",
                ],
            ],
            "en": [
                [
                    "Lead no.",
                    "Customer name",
                    "Phone",
                    "Branch",
                    "Rule hit",
                    "Rule version",
                    "Grade",
                    "Score",
                    "Reason",
                    "Hit date",
                    "Status",
                    "Outcome on",
                    "Conversion",
                ],
                [
                    "L1001",
                    "'=1+1",
                    "138****0001",
                    "HOME 支行",
                    "一",
                    "v1",
                    "B",
                    "5.00",
                    "7-day window: 5 × active at 机构一, threshold 3",
                    "2026-10-16",
                    "In progress",
                    "",
                    "No",
                ],
            ],
        },
    ),
}


def read(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))


def whole_list(app: Flask, session: Session, person: Person, view: str) -> list[list[str]]:
    assert person.submit(f"/{view}/export_all", {"format": "csv"}).status_code == 302
    job_id = session.scalars(select(func.max(ExportJob.id))).one()
    with app.app_context():
        make_export(job_id)
    return read(person.get(f"/exportjobview/fetch/{job_id}"))


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("view", EXPECTED)
def test_ticked_rows_are_shown_as_in_the_whole_list(
    app: Flask, session: Session, world: World, login: Callable[..., Person], view: str, language: str
) -> None:
    name, expected = EXPECTED[view]
    session.get_one(Lead, world.ids["lead_home"]).name = "=1+1"
    session.execute(text("UPDATE lead SET created_at = '2026-10-26 16:30:00+00'"))
    session.commit()
    manager = login("Manager", username="chen", language=language)
    ticked = {"action": "export", "rowid": [str(world.ids[name])]}
    first, *shown = read(manager.submit(f"/{view}/action_post", ticked))
    assert shown == expected[language]
    assert len(first) == 1
    assert "chen" in first[0]
    assert str(clock.today()) in first[0]
    whole = whole_list(app, session, manager, view)
    assert whole[1] == shown[0]
    assert shown[1] in whole[2:]
    assert [part for part in whole[0][0].split() if ":" not in part] == [
        part for part in first[0].split() if ":" not in part
    ]


def test_each_ticked_row_is_there_and_no_other(world: World, login: Callable[..., Person]) -> None:
    chosen = [str(world.ids[f"hit_{where}_waiting"]) for where in ("away", "home")]
    manager = login("Manager")
    _first, _header, *rows = read(
        manager.submit("/hitview/action_post", {"action": "export", "rowid": chosen})
    )
    assert sorted(row[0] for row in rows) == ["L1001", "L1002"]
