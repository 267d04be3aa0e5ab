"""Every metric, operator and event type is offered, worded and documented in both languages."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale

from app.activity import operators
from app.activity.spec import EVENT_TYPES, METRICS, OPERATORS
from app.rules.describe import reason_of
from scripts import vocabulary
from tests.conftest import Person

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def manager(language: str, login: Callable[..., Person]) -> Person:
    return login("Manager", language=language)


def is_worded(text: str, language: str) -> bool:
    """Return whether a text is in the language and has all its values filled in."""
    return bool(CHINESE.search(text)) is (language == "zh") and "%(" not in text


def test_the_editor_offers_all_of_them(manager: Person, language: str) -> None:
    page = manager.get("/ruleview/add").text
    options = re.findall(r'<option value="([^"]+)">([^<]+)</option>', page)
    ticks = re.findall(r'value="(\w+)" data-list="event_types"> <span>([^<]+)</span>', page)
    offered = {html.unescape(code): words for code, words in (*options, *ticks)}
    for code in (*METRICS, *OPERATORS, *EVENT_TYPES):
        assert is_worded(offered[code], language), offered[code]
    units = json.loads(re.search(r'"units": ({[^}]*})', html.unescape(page))[1])  # type: ignore[index]
    assert all(is_worded(units[metric], language) for metric in METRICS)
    for kind in EVENT_TYPES:
        assert f'data-field="weights.{kind}"' in page


@pytest.mark.parametrize("metric", METRICS)
def test_each_is_worded_in_a_sentence(manager: Person, language: str, metric: str) -> None:
    conditions = [{"metric": metric, "op": op, "value": 3, "window_days": 7} for op in OPERATORS]
    rule = {"code": "R-1", "name": "R", "match": "any", "conditions": conditions}
    answer = manager.submit("/ruleversionview/wording", {"rule": json.dumps(rule)}).json
    assert answer["problems"] == []
    assert is_worded(answer["sentence"], language)
    for op in OPERATORS:
        assert f" {operators.REGISTRY[op].sign} 3" in answer["sentence"]


@pytest.mark.parametrize("codes", [[], ["A"], ["A", "B"]])
@pytest.mark.parametrize("metric", METRICS)
def test_each_is_worded_in_the_reason_of_a_hit(
    app: Flask, language: str, metric: str, codes: list[str]
) -> None:
    condition = {"metric": metric, "op": ">", "value": 3, "window_days": 7, "actual": 5, "met": True}
    evidence: dict[str, Any] = {"conditions": [condition], "institutions": codes}
    with app.test_request_context(), force_locale(language):
        reason = reason_of(evidence)
    assert is_worded(reason, language)
    assert "> 3" in reason
    assert ("A" in reason) is bool(codes)


@pytest.mark.parametrize("metric", METRICS)
def test_each_divides_leads_in_the_matrix_and_segments(manager: Person, language: str, metric: str) -> None:
    page = manager.get(f"/matrixview/list/?x={metric}&x_at=3&y=hits&y_at=1").text
    [name] = re.findall(rf'<option value="{metric}" selected>([^<]+)<', page)
    assert is_worded(name, language)
    assert f'<option value="{metric}">' in manager.get("/segmentview/add").text.replace(" selected", "")


def test_the_documentation_has_all_of_them() -> None:
    text = vocabulary.DOC.read_text("utf-8")
    assert vocabulary.updated(text) == text, "run `make vocabulary`"
