"""The rule editor over HTTP: saving, concurrent edits, and problems by field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.activity.spec import EVENT_TYPES, METRICS, OPERATORS
from app.extensions import db
from app.models import Branch, Institution, Rule, RuleVersion, Segment, Tag
from app.rules import drafts
from app.rules.definition import ConditionDef, LeadFilterDef, RuleDef
from app.rules.versions import add_version, rule_def
from app.rulesfile.apply import apply_config, export_config
from app.rulesfile.schema import parse_config
from tests.conftest import Person
from tests.thorough import examples

FIRST = {"metric": "calls", "op": ">=", "value": 3, "window_days": 7}


def rule(**given: Any) -> str:
    return json.dumps({"code": "R-1", "name": "一", "conditions": [FIRST], **given}, ensure_ascii=False)


@pytest.fixture
def manager(login: Callable[..., Person]) -> Person:
    return login("Manager", username="first")


@pytest.fixture
def draft(session: Session, manager: Person) -> RuleVersion:
    """The draft that the manager has just made."""
    answer = manager.submit("/ruleview/add", {"rule": rule()})
    assert answer.status_code == 200, answer.text
    return session.query(RuleVersion).one()


def edit(person: Person, draft: RuleVersion, *, base: str = rule(), revision: int = 1, **given: Any) -> Any:
    data = {"rule": rule(**given), "revision": revision, "base": base}
    return person.submit(f"/ruleversionview/edit/{draft.id}", data)


def fields(answer: Any) -> dict[str, str]:
    return {each["field"]: each["text"] for each in answer.json["problems"]}


def test_a_saved_rule_is_a_draft_of_its_author(draft: RuleVersion, session: Session) -> None:
    assert (draft.status, draft.revision, draft.editors, draft.saved_by) == ("draft", 1, ["first"], "first")
    assert session.query(Rule).one().active_version_id is None


def test_a_taken_code_is_refused_beside_it(manager: Person, draft: RuleVersion, session: Session) -> None:
    answer = manager.submit("/ruleview/add", {"rule": rule(name="二")})
    assert answer.status_code == 422
    assert "R-1" in fields(answer)["code"]
    assert session.query(RuleVersion).count() == 1


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({"name": ""}, "name", "must not be empty"),
        ({"code": "a b"}, "code", "Use letters, digits"),
        ({"cooldown_days": 0}, "cooldown_days", "At least 1"),
        ({"conditions": []}, "conditions", "at least one condition"),
        ({"conditions": [{**FIRST, "window_days": 0}]}, "conditions.0.window_days", "At least 1"),
        ({"conditions": [{**FIRST, "value": None}]}, "conditions.0.value", "whole number"),
        ({"conditions": [{**FIRST, "value": 2.5}]}, "conditions.0.value", "whole number"),
        ({"conditions": [FIRST, {**FIRST, "hours": [8, 8]}]}, "conditions.1.hours", "different hours"),
        ({"conditions": [{**FIRST, "institutions": ["NO"]}]}, "conditions.0.institutions", "code NO"),
        ({"conditions": [{**FIRST, "op": "<", "value": 0}]}, "conditions.0.value", "No lead can meet"),
        ({"grade_bands": {"A": 1, "B": 3, "C": 1, "D": 0}}, "grade_bands", "grades must decrease"),
        ({"weights": {"face_verify": -1, "id_ocr": 1, "data_call": 1}}, "weights.face_verify", "At least 0"),
        ({"lead_filter": {"branches": ["NO"]}}, "lead_filter.branches", "code NO"),
        ({"lead_filter": {"segments": ["NO"]}}, "lead_filter.segments", "segment “NO”"),
        ({"holdout_percent": 51}, "holdout_percent", "At most 50"),
        ({"half_life_days": 0}, "half_life_days", "More than 0"),
    ],
)
def test_a_refusal_names_its_field_while_typing_and_on_saving(
    manager: Person, draft: RuleVersion, session: Session, given: dict[str, Any], field: str, message: str
) -> None:
    answers = [
        manager.submit("/ruleversionview/wording", {"rule": rule(**given)}),
        edit(manager, draft, **given),
    ]
    assert [answer.status_code for answer in answers] == [200, 422]
    for answer in answers:
        assert message in fields(answer)[field]
    session.refresh(draft)
    assert draft.revision == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "\\u0000"}', '"x"', "[" * 10_000])
def test_what_is_no_rule_is_refused(manager: Person, draft: RuleVersion, text: str) -> None:
    for path in ("/ruleview/add", f"/ruleversionview/edit/{draft.id}"):
        assert manager.submit(path, {"rule": text, "revision": 1}).status_code == 422


def test_the_sentence_is_in_the_readers_language(
    login: Callable[..., Person], manager: Person, session: Session
) -> None:
    session.add(Institution(code="EC", name="华东中心机构", category="bank", region="华东"))
    session.commit()
    typed = rule(
        conditions=[
            {**FIRST, "institutions": ["EC"]},
            {"metric": "active_days", "op": "<", "value": 2, "window_days": 3, "hours": [20, 2]},
        ],
        lead_filter={"sources": ["官网预约"]},
    )
    chinese = login("Manager", language="zh").submit("/ruleversionview/wording", {"rule": typed})
    assert chinese.json["sentence"].startswith(
        "近7天 在华东中心机构 活跃次数 ≥ 3 次，且 近3天 每日20:00–次日2:00 活跃天数 < 2 天；"
        "冷却 7 天；仅限来源为官网预约的线索；评分："
    )
    english = manager.submit("/ruleversionview/wording", {"rule": typed}).json["sentence"]
    assert english.startswith(
        "calls ≥ 3 in 7 days, at 华东中心机构, "
        "and active days < 2 in 3 days, from 20:00 to 2:00 the next day; "
        "cooldown 7 days; only these leads: source 官网预约; score:"
    )


def test_a_concurrent_edit_is_reported_and_overwrites_nothing(
    login: Callable[..., Person], manager: Person, draft: RuleVersion, session: Session
) -> None:
    other = login("Manager", username="second")
    assert edit(manager, draft, name="甲的", cooldown_days=9).status_code == 200
    answer = edit(other, draft, name="乙的", match="any")
    assert answer.status_code == 409
    conflict = answer.json
    assert "测试 saved this draft at" in conflict["text"]
    assert {part["key"]: part["changed_by"] for part in conflict["parts"]} == {
        "name": "both",
        "match": "you",
        "cooldown_days": "them",
    }
    assert (conflict["theirs"]["name"], conflict["revision"]) == ("甲的", 2)
    session.refresh(draft)
    assert (draft.name, draft.cooldown_days, draft.match) == ("甲的", 9, "all")
    # The second user has seen the change and saves on top of it; both are editors now.
    assert edit(other, draft, revision=2, name="乙的", cooldown_days=9, match="any").status_code == 200
    session.refresh(draft)
    assert (draft.name, draft.match, draft.revision, draft.editors) == ("乙的", "any", 3, ["first", "second"])


def test_saving_an_unchanged_draft_makes_no_new_revision(
    manager: Person, draft: RuleVersion, session: Session
) -> None:
    assert edit(manager, draft).status_code == 200
    session.refresh(draft)
    assert draft.revision == 1


def test_a_version_that_is_no_draft_any_more_is_not_changed(
    manager: Person, draft: RuleVersion, session: Session
) -> None:
    draft.status = "submitted"
    session.commit()
    answer = edit(manager, draft, name="晚了")
    assert answer.status_code == 422
    assert "no longer a draft" in answer.json["problems"][0]["text"]
    assert manager.get(f"/ruleversionview/edit/{draft.id}").status_code == 409


def test_search_boxes_match_names_and_codes(manager: Person, session: Session) -> None:
    session.add_all(Institution(code=f"I-{n:04d}", name=f"机构{n:04d}", region="华东") for n in range(3000))
    session.add_all(
        [Institution(code="ML-1", name="小贷一", category="micro_loan"), Branch(code="HQ", name="总行")]
    )
    session.add_all(
        [Tag(name="VIP", colour="blue", created_by="x"), Tag(name="新客", created_by="x", colour="red")]
    )
    session.add_all(
        [
            Segment(name="众", definition={}, owner="x", shared=True),
            Segment(name="私", definition={}, owner="x"),
        ]
    )
    session.commit()

    def found(kind: str, text: str = "") -> list[tuple[str, str]]:
        answer = manager.get("/ruleversionview/find", query_string={"kind": kind, "q": text})
        return [(item["list"], item["value"]) for group in answer.json["groups"] for item in group["items"]]

    assert found("places", "micro") == [("categories", "micro_loan")]
    assert found("places", "华东") == [("regions", "华东")]
    assert found("places", "2999") == [("institutions", "I-2999")]
    assert len(found("places", "机构")) == 30
    assert found("branches", "总") == [("branches", "HQ")]
    assert found("tags", "v") == [("tags", "VIP")]
    assert found("segments") == [("segments", "众")]
    assert manager.get("/ruleversionview/find?kind=leads").status_code == 404


codes = st.lists(st.sampled_from(["A", "B-1", "机构"]), unique=True, max_size=3)
words = st.text("ab 中“”\\'\"#:,%&", min_size=1, max_size=12)
numbers = st.floats(0, 1000, allow_nan=False).map(lambda x: round(x, 4))
condition_defs = st.builds(
    ConditionDef,
    metric=st.sampled_from(METRICS),
    op=st.sampled_from(OPERATORS),
    value=st.integers(0, 1_000_000),
    window_days=st.integers(1, 366),
    hours=st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda h: h[0] != h[1]).map(list),
    institutions=codes,
    categories=codes,
    regions=codes,
    event_types=st.lists(st.sampled_from(EVENT_TYPES), unique=True),
    result=st.sampled_from(["any", "success"]),
)
rule_defs = st.builds(
    RuleDef,
    code=st.just("R-1"),
    name=words,
    description=st.one_of(st.just(""), words),
    match=st.sampled_from(["all", "any"]),
    cooldown_days=st.integers(1, 3650),
    conditions=st.lists(condition_defs, min_size=1, max_size=4),
    half_life_days=st.floats(0.01, 3650).map(lambda x: round(x, 3) or 1.0),
    weights=st.fixed_dictionaries(dict.fromkeys(EVENT_TYPES, numbers)),
    grade_bands=st.lists(numbers, min_size=3, max_size=3).map(
        lambda edges: dict(zip("ABCD", [*sorted(edges, reverse=True), 0.0], strict=True))
    ),
    lead_filter=st.builds(
        LeadFilterDef,
        sources=codes,
        branches=codes,
        statuses=st.lists(st.sampled_from(["active", "paused", "lost"]), unique=True),
        tags=codes,
        segments=codes,
    ),
    holdout_percent=st.floats(0, 50).map(lambda x: round(x, 2)),
)


@pytest.fixture
def names_exist(session: Session) -> None:
    """Store everything that the generated rules refer to."""
    for name in ("A", "B-1", "机构"):
        session.add_all(
            [Institution(code=name, name=name, category=name, region=name), Branch(code=name, name=name)]
        )
        session.add_all([Tag(name=name, colour="blue", created_by="x")])
        session.add_all([Segment(name=name, definition={}, owner="x", shared=True)])
    session.commit()


@given(rule_defs)
@examples(10, 80)
def test_editor_yaml_and_stored_version_agree(
    app: Flask, manager: Person, names_exist: None, definition: RuleDef
) -> None:
    with app.app_context():
        db.session.query(Rule).update({Rule.active_version_id: None})
        for old in db.session.query(Rule):
            db.session.delete(old)
        db.session.commit()
        made = Rule(code="R-1", name="x")
        db.session.add(made)
        db.session.flush()
        version = add_version(made, definition, "x")
        db.session.commit()
        assert rule_def(version) == definition
        # Posting back what the editor was given changes nothing.
        sent = definition.model_dump_json()
        drafts.save(version.id, RuleDef.model_validate_json(sent), "y", revision=1)
        assert version.revision == 1
        apply_config(parse_config({"rules": [json.loads(sent)]}, "test"), "x")
        db.session.expire_all()
        assert rule_def(made.active_version) == definition
        [exported] = parse_config(yaml.safe_load(export_config()), "test").rules
        assert exported == definition
