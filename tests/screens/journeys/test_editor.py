"""The journey editor over HTTP: presets, words and problems while typing, saving, concurrent edits."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.coldstart import apply_presets
from app.journeys import check, drafts, presets, typed
from app.journeys.definition import JourneyDef
from app.models import Journey, JourneyVersion
from app.screens.journeys.editor import for_editor
from tests.conftest import Person
from tests.journeys.support import AROUND, RECALL, RICH, journey, sms, wait

#: the journey as it is stored: without defaults, and a test alone without ``all``
ASKED = RECALL["steps"][2] | {"cases": [{"when": RICH["all"][0], "then": "call1"}]}
STATED = JourneyDef.model_validate(
    RECALL | {"steps": [*RECALL["steps"][:2], ASKED, *RECALL["steps"][3:]]}
).as_json()
ROW = {"what": "fact:aum", "op": ">=", "value": "100000", "days": None}


def changed(said: dict[str, Any], place: int, **values: Any) -> dict[str, Any]:
    """A journey with other values of one of its steps."""
    made = deepcopy(said)
    made["steps"][place] |= values
    return made


@pytest.fixture
def manager(cli: Callable[..., Any], tmp_path: Path, login: Callable[..., Person]) -> Person:
    """A manager of a bank that has what the journeys of the tests name."""
    file = tmp_path / "file.yaml"
    file.write_text(yaml.safe_dump(AROUND, allow_unicode=True), "utf-8")
    assert cli("config", "apply", file).exit_code == 0
    return login("Manager", username="first", language="zh")


def said_of(person: Person, said: dict[str, Any]) -> Any:
    answer = person.submit("/journeyversionview/wording", {"journey": json.dumps(said)})
    assert answer.status_code == 200, answer.text
    return answer.json


def problems(answer: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    return [(each["step"], each["field"], each["text"]) for each in answer["problems"]]


def save(person: Person, said: dict[str, Any], version: JourneyVersion | None = None, seen: str = "") -> Any:
    path = f"/journeyversionview/edit/{version.id}" if version else "/journeyview/add"
    return person.submit(path, {"journey": json.dumps(said), "seen": seen})


def test_a_journey_is_said_as_a_whole_and_step_by_step(manager: Person) -> None:
    answer = said_of(manager, for_editor(RECALL))
    assert answer["problems"] == []
    assert answer["sentence"].startswith(
        "进入条件：命中一，等级 A、B；至少 90 天后可再次进入；达成目标即结束："
    )
    assert answer["steps"]["ask"] == {"text": "按条件分流", "ways": ["金融资产 ≥ 100,000 元", "其余"]}
    assert answer["steps"]["wait1"] == {"text": "等待回应，最多 72 小时", "ways": ["已回应", "届时未回应"]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (journey(sms("s", template="")), ("s", "template", "此项必填。")),
        (journey(sms("s", template="T-NONE")), ("s", "", "没有编码为 T-NONE 的模板。")),
        (journey(sms("s", hold_hours=None)), ("s", "hold_hours", "请填写整数。")),
        (journey(wait("w", days=None)), ("w", "", "请填写等待多久。")),
        (journey(wait("w", at="25:00")), ("w", "at", "请输入时刻，如 09:00。")),
        (
            journey({"id": "b", "do": "branch", "cases": [{"rows": [{}], "then": "end"}], "else": "end"}),
            ("b", "cases.0", "请填写这一路适用哪些客户。"),
        ),
        (
            journey({"id": "b", "do": "branch", "cases": [{"rows": [ROW], "then": ""}], "else": "end"}),
            ("b", "cases.0.then", "此项必填。"),
        ),
        (
            journey({"id": "p", "do": "split", "parts": [["end", 50], ["end", 50]]}),
            ("p", "parts", "每一份须通向不同的步骤。"),
        ),
        (
            journey(sms("s", "p"), {"id": "p", "do": "split", "parts": [["end", 50], ["s", 40]]}),
            ("p", "parts", "各份合计为 90，应为 100。"),
        ),
        (
            journey({"id": "t", "do": "tag", "add": [], "remove": [], "then": "end"}),
            ("t", "", "请选择要添加或去除的标签。"),
        ),
        (
            journey(trigger={"on": "fact", "rows": [{}]}),
            (None, "trigger", "请选择一个客户事实及其要满足的条件。"),
        ),
        (journey(trigger={"on": "date", "fact": "", "days": 1}), (None, "trigger", "请选择客户如何进入。")),
        (journey(code=""), (None, "code", "此项必填。")),
        (journey(goal={"products": []}), (None, "goal", "请选择产品，或选任一产品。")),
        (journey(reentry={"after_days": None}), (None, "reentry", "请填写整数。")),
    ],
)
def test_a_problem_stands_at_its_step_and_field(
    said: dict[str, Any], expected: tuple[str | None, str, str], manager: Person
) -> None:
    assert problems(said_of(manager, said)) == [expected]


def test_nonsense_is_answered(manager: Person) -> None:
    for text in ("", "[]", "{", "\\u0000", '{"steps": 3}', '{"steps": [3], "trigger": []}'):
        answer = manager.submit("/journeyversionview/wording", {"journey": text})
        assert answer.status_code == 200
        assert answer.json["problems"]


def test_a_saved_journey_is_a_draft_as_in_a_file(manager: Person, session: Session) -> None:
    answer = save(manager, for_editor(RECALL))
    assert answer.status_code == 200, answer.text
    version = session.scalars(select(JourneyVersion)).one()
    assert answer.json["url"].endswith(f"/journeyversionview/show/{version.id}")
    assert (version.status, version.created_by, version.spec) == ("draft", "first", STATED)
    assert (version.journey.code, version.journey.name) == ("J-RECALL", "召回")


def test_a_fact_and_a_split_come_back_as_they_were_typed(manager: Person, session: Session) -> None:
    split = {"id": "p", "do": "split", "parts": {"s": 30, "end": 70}}
    stated = journey(split, sms("s"), trigger={"on": "fact", **RICH["all"][0]})
    shown = for_editor(stated)
    assert shown["trigger"]["rows"] == [ROW]
    assert save(manager, shown).status_code == 200
    assert session.scalars(select(JourneyVersion)).one().spec == stated


def test_a_draft_may_lack_sense_but_not_form(manager: Person, session: Session) -> None:
    assert save(manager, journey(sms("s", template=""))).status_code == 422
    assert session.scalars(select(Journey)).all() == []
    answer = save(manager, journey(sms("s", template="T-OLD")))
    assert answer.status_code == 200
    page = manager.get(answer.json["url"])
    assert "暂不能提交审批：模板 T-OLD 未获准使用。" in page.text
    version = session.scalars(select(JourneyVersion)).one()
    refused = manager.submit(
        f"/journeyversionview/submit/{version.id}", {"reason": "试"}, follow_redirects=True
    )
    assert "模板 T-OLD 未获准使用。" in refused.text
    session.expire_all()
    assert version.status == "draft"


def test_a_taken_code_is_refused_at_its_field(manager: Person) -> None:
    assert save(manager, for_editor(RECALL)).status_code == 200
    answer = save(manager, for_editor(RECALL))
    assert answer.status_code == 422
    assert problems(answer.json) == [(None, "code", "已有编码为 J-RECALL 的旅程。")]


def test_nobody_overwrites_somebody_else_s_edit(
    manager: Person, session: Session, login: Callable[..., Person]
) -> None:
    save(manager, for_editor(RECALL))
    version = session.scalars(select(JourneyVersion)).one()
    seen = drafts.digest(version)
    other = login("Manager", username="second", language="zh")
    assert save(other, for_editor(changed(RECALL, 1, hours=48)), version, seen).status_code == 200
    answer = save(manager, for_editor(changed(RECALL, 1, hours=24)), version, seen)
    assert answer.status_code == 409
    assert "测试" in answer.json["text"]
    assert [what for what, _theirs, _yours in answer.json["changes"]] == ["第 2 步"]
    assert answer.json["theirs"]["steps"][1]["hours"] == 48
    session.expire_all()
    assert version.spec["steps"][1]["hours"] == 48
    assert (
        save(manager, for_editor(changed(RECALL, 1, hours=24)), version, answer.json["seen"]).status_code
        == 200
    )
    session.expire_all()
    assert (version.spec["steps"][1]["hours"], version.edited_by) == (24, ["second", "first"])


def test_the_code_of_a_draft_stays(manager: Person, session: Session) -> None:
    save(manager, for_editor(RECALL))
    version = session.scalars(select(JourneyVersion)).one()
    answer = save(manager, for_editor(RECALL | {"code": "J-OTHER"}), version, drafts.digest(version))
    assert problems(answer.json) == [(None, "code", "旅程编码不能修改。")]


@pytest.mark.parametrize("key", presets.PRESETS)
def test_a_preset_can_run_or_says_what_to_choose_first(
    key: str, app: Flask, login: Callable[..., Person]
) -> None:
    person = login("Manager")
    with app.app_context():
        apply_presets()
        stated = presets.stated(key, check.read_known()) | {"code": "J-1"}
        found = [(each.step, each.field) for each in typed.read(stated, check.read_known()).problems]
    assert found == ([(None, "trigger")] if key == "birthday" else [])
    assert person.get(f"/journeyview/add?preset={key}").status_code == 200


@pytest.mark.parametrize("key", presets.PRESETS)
def test_a_preset_of_a_bank_without_anything_says_what_to_choose(
    key: str, app: Flask, login: Callable[..., Person]
) -> None:
    person = login("Manager")
    with app.app_context():
        stated = presets.stated(key, check.read_known()) | {"code": "J-1"}
    answer = said_of(person, for_editor(stated))
    contacts = {(each["id"], "template") for each in stated["steps"] if each["do"] == "contact"}
    assert contacts <= {(each["step"], each["field"]) for each in answer["problems"]}


def test_an_unknown_preset_is_not_there(manager: Person) -> None:
    assert manager.get("/journeyview/add?preset=no").status_code == 404


def test_search_boxes_find_rules_products_and_tags(manager: Person) -> None:
    for kind, text, value in (("rules", "一", "R-1"), ("products", "消费", "LOAN-C"), ("tags", "贵", "贵宾")):
        answer = manager.get(f"/journeyversionview/find?kind={kind}&q={text}")
        assert [each["value"] for each in answer.json["groups"][0]["items"]] == [value]
    assert manager.get("/journeyversionview/find?kind=branches").status_code == 404


def test_a_new_draft_begins_with_the_version_in_force(
    manager: Person, session: Session, cli: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "journeys.yaml"
    file.write_text(yaml.safe_dump({"journeys": [STATED]}, allow_unicode=True), "utf-8")
    assert cli("config", "apply", file).exit_code == 0
    of = session.scalars(select(Journey)).one()
    for _again in range(2):
        answer = manager.submit(f"/journeyview/action/draft/{of.id}")
        assert answer.status_code == 302
    session.expire_all()
    assert [(each.number, each.status, each.spec) for each in of.versions] == [
        (1, "active", STATED),
        (2, "draft", STATED),
    ]
    assert manager.get(answer.headers["Location"]).status_code == 200
