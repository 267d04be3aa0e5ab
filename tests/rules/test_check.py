"""A rule that no lead can meet, or that names something unknown, is refused with an error at its field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from app.activity.spec import METRICS, OPERATORS
from app.rules.check import Catalogue, check, refused
from app.rules.definition import ConditionDef, RuleDef
from tests.activity.oracle import OPS, VALUE

KNOWN = Catalogue({"A": ("bank", "east"), "B": ("bank", "west"), "C": ("loan", "west")})
NEVER = "No lead can meet this"


def condition(**given: Any) -> dict[str, Any]:
    return {"metric": "calls", "op": ">=", "value": 3, "window_days": 7, **given}


def problems(*conditions: dict[str, Any], match: str = "all") -> list[tuple[str, str, str]]:
    rule = RuleDef(code="R", name="R", match=match, conditions=[ConditionDef(**each) for each in conditions])  # type: ignore[arg-type]
    return [(each.field, each.kind, str(each.error)) for each in check(rule, KNOWN)]


@pytest.mark.parametrize(
    ("conditions", "field", "said"),
    [
        ([condition(metric="active_days", value=8)], "conditions.0.value", "at most 7 active days"),
        ([condition(metric="active_days", op=">", value=7)], "conditions.0.value", NEVER),
        ([condition(op="<", value=0)], "conditions.0.value", "no value is less than 0"),
        ([condition(metric="institutions", institutions=["A", "B"])], "conditions.0.value", "only 2"),
        ([condition(op="==", value=0)], "conditions.0.value", "with an event in its widest window"),
        ([condition(op="==", value=3), condition(op="==", value=4)], "conditions.1.value", "condition 1"),
        # What is counted in a part of the window is never more than in the whole.
        (
            [condition(window_days=3, value=5), condition(op="<=", value=4)],
            "conditions.1.value",
            "condition 1",
        ),
        ([condition(op="<", value=2), condition(metric="institutions")], "conditions.1.value", "condition 1"),
        ([condition(op="<", value=2), condition(hours=[20, 2])], "conditions.1.value", "condition 1"),
        ([condition(institutions=["A", "NO"])], "conditions.0.institutions", "the code NO"),
    ],
)
def test_what_can_never_be_is_refused_beside_its_field(
    app: Flask, conditions: list[dict[str, Any]], field: str, said: str
) -> None:
    with app.app_context():
        found = problems(*conditions)
    assert [(place, said in text) for place, _kind, text in found] == [(field, True)]


@pytest.mark.parametrize(
    "conditions",
    [
        [condition(metric="active_days", value=7)],
        [condition(op="==", value=0, window_days=3), condition(window_days=7)],
        [condition(op="==", value=0, event_types=["id_ocr"])],
        [condition(op="<", value=2), condition(event_types=["id_ocr"], op="<", value=9)],
        [condition(window_days=30, value=5), condition(op="<=", value=4)],
        [condition(metric="institutions", value=2, institutions=["A", "B"])],
    ],
)
def test_what_can_be_is_not_refused(app: Flask, conditions: list[dict[str, Any]]) -> None:
    with app.app_context():
        assert problems(*conditions) == []


def test_a_contradiction_is_none_where_either_is_enough(app: Flask) -> None:
    with app.app_context():
        assert problems(condition(op="==", value=3), condition(op="==", value=4), match="any") == []


def test_a_category_with_too_few_institutions_today_is_told_but_not_refused(app: Flask) -> None:
    with app.app_context():
        [(field, kind, text)] = problems(condition(metric="institutions", value=3, categories=["bank"]))
    assert (field, kind) == ("conditions.0.institutions", "note")
    assert "Only 2 institutions" in text


class Event(NamedTuple):
    at: dt.datetime
    institution: str
    type: str

    @property
    def age(self) -> int:
        return (TODAY - self.at.date()).days


TODAY = dt.date(2026, 3, 4)
EVENTS = [
    Event(dt.datetime.combine(TODAY - dt.timedelta(day), dt.time(hour)), place, kind)
    for day in range(4)
    for hour in (1, 21)
    for place in "AB"
    for kind in ("id_ocr", "data_call")
]
conditions = st.builds(
    lambda **given: ConditionDef(**given),
    metric=st.sampled_from(METRICS),
    op=st.sampled_from(OPERATORS),
    value=st.integers(0, 4),
    window_days=st.integers(1, 4),
    hours=st.sampled_from([[0, 24], [20, 2], [0, 12]]),
    institutions=st.sampled_from([[], ["A"], ["A", "B"]]),
    event_types=st.sampled_from([[], ["id_ocr"]]),
)


def value(wanted: ConditionDef, seen: list[Event]) -> int:
    start, end = wanted.hours
    inside = [
        each
        for each in seen
        if each.age < wanted.window_days
        and (start <= each.at.hour < end if start < end else each.at.hour >= start or each.at.hour < end)
        and (not wanted.institutions or each.institution in wanted.institutions)
        and (not wanted.event_types or each.type in wanted.event_types)
    ]
    return VALUE[wanted.metric](inside)


def meets(rule: RuleDef, seen: list[Event]) -> bool:
    widest = max(each.window_days for each in rule.conditions)
    return any(event.age < widest for event in seen) and all(
        OPS[each.op](value(each, seen), each.value) for each in rule.conditions
    )


@given(st.lists(conditions, min_size=1, max_size=3), st.lists(st.sampled_from(EVENTS), max_size=12))
@settings(max_examples=400, deadline=None)
def test_no_rule_that_somebody_meets_is_refused(wanted: list[ConditionDef], seen: list[Event]) -> None:
    """The checker only refuses what it can prove."""
    rule = RuleDef(code="R", name="R", conditions=wanted)
    if meets(rule, seen):
        assert refused(check(rule, KNOWN)) == []


def test_a_rules_file_says_the_same_and_is_applied(
    app: Flask, cli: Callable[..., Any], tmp_path: Path
) -> None:
    """A file that could be applied before still can, with a warning about conditions that can't be met."""
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules: [{code: R-1, name: 一, conditions: "
        "[{metric: active_days, op: '>=', value: 8, window_days: 7}]}]",
        "utf-8",
    )
    done = cli("config", "apply", file)
    assert done.exit_code == 0, done.output
    assert f"warning: {file}: rules[0].conditions[0].value: 8: No lead can meet this" in done.stderr
