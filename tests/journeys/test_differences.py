"""Differences of two versions of a journey, as sentences."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale

from app.journeys.definition import JourneyDef
from app.journeys.differences import changes
from app.journeys.sentence import Names, journey_sentence
from tests.journeys.support import RECALL

NAMES = Names(rules={"R-1": "频繁查询"}, templates={"T-LOAN": "额度提醒", "T-CALL": "回访"})


def between(app: Flask, old: dict[str, Any] | None, new: dict[str, Any], language: str) -> list[Any]:
    with app.test_request_context(), force_locale(language):
        before = JourneyDef.model_validate(old) if old else None
        return [tuple(each) for each in changes(before, JourneyDef.model_validate(new), NAMES)]


@pytest.fixture
def changed() -> dict[str, Any]:
    """A shorter wait, no branch, a tag before the call."""
    made: dict[str, Any] = deepcopy(RECALL)
    sms, wait, _ask, call, end = made["steps"]
    wait |= {"hours": 48, "timeout": "tag1"}
    made["steps"] = [sms, wait, {"id": "tag1", "do": "tag", "add": ["vip"], "then": "call1"}, call, end]
    return made


def test_changed_added_and_removed_steps_are_told_with_where_they_lead(
    app: Flask, changed: dict[str, Any]
) -> None:
    assert between(app, RECALL, changed, "en") == [
        (
            "Step 2",
            "Wait for an answer, 72 hours at most; answered: step 5 (End); "
            "no answer by then: step 3 (Branch by conditions)",
            "Wait for an answer, 48 hours at most; answered: step 5 (End); "
            "no answer by then: step 3 (Add the tags vip)",
        ),
        ("Step 3, new", "", "Add the tags vip; then step 4 (Outbound call “回访”)"),
        (
            "Step 3 before, removed",
            "Branch by conditions; aum ≥ 100,000: step 4 (Outbound call “回访”); otherwise: step 5 (End)",
            "",
        ),
    ]


def test_a_manager_reads_them_in_chinese(app: Flask, changed: dict[str, Any]) -> None:
    changed |= {"reentry": "never", "goal": None}
    head = between(app, RECALL, changed, "zh")[:3]
    assert head == [
        ("再次进入", "至少 90 天后", "不再进入"),
        ("目标", "办理任一产品", "无"),
        (
            "第 2 步",
            "等待回应，最多 72 小时；已回应 → 第 5 步（结束）；届时未回应 → 第 3 步（按条件分流）",
            "等待回应，最多 48 小时；已回应 → 第 5 步（结束）；届时未回应 → 第 3 步（添加标签vip）",
        ),
    ]


def test_steps_that_only_stand_elsewhere_are_told_as_their_order(app: Flask) -> None:
    moved = deepcopy(RECALL)
    sms, wait, ask, call, end = moved["steps"]
    moved["steps"] = [sms, ask, wait, call, end]
    assert between(app, RECALL, moved, "en") == [
        ("Order of the steps", "1 → 2 → 3 → 4 → 5", "1 → 3 → 2 → 4 → 5")
    ]
    moved["steps"] = [wait, sms, ask, call, end]
    assert between(app, RECALL, moved, "en")[0] == (
        "First step",
        "SMS “额度提醒”",
        "Wait for an answer, 72 hours at most",
    )


def test_a_new_journey_is_told_as_a_whole(app: Flask) -> None:
    told = between(app, None, RECALL, "en")
    assert told[:2] == [("Name", "", "召回"), ("Who enters", "", "a hit of 频繁查询, grade A, B")]
    assert [what for what, _old, _new in told[-5:]] == [f"Step {number}" for number in range(1, 6)]


def test_a_journey_is_one_sentence(app: Flask) -> None:
    journey = JourneyDef.model_validate(RECALL)
    with app.test_request_context(), force_locale("en"):
        assert journey_sentence(journey, NAMES) == (
            "Starts with a hit of 频繁查询, grade A, B; again after 90 days at the earliest; "
            "ends on reaching the goal: buying any product. Steps: "
            "(1) SMS “额度提醒”; if it can't be made: step 4 "
            "(2) Wait for an answer, 72 hours at most; answered: step 5; no answer by then: step 3 "
            "(3) Branch by conditions; aum ≥ 100,000: step 4; otherwise: step 5 "
            "(4) Outbound call “回访”; if it can't be made: step 5 "
            "(5) End."
        )
