"""`flask journeys check`: every reason why a journey can't run is named with journey and step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journeys.support import AROUND, END, RECALL, RICH, journey, sms, wait

Check = Callable[[Any], tuple[int, dict[str, Any]]]


def test_the_journey_of_the_contract_and_one_of_every_step_can_run(check: Check) -> None:
    every = journey(
        {"id": "part", "do": "split", "parts": {"tag": 30, "task": 70}},
        {"id": "tag", "do": "tag", "add": ["vip"], "remove": ["贵宾"], "then": "task"} | {"remove": []},
        {"id": "task", "do": "task", "title": "回访", "due_days": 2, "then": "hand"},
        {"id": "hand", "do": "hand", "to": "branch", "then": "tell"},
        {"id": "tell", "do": "webhook", "target": "crm", "then": "morning"},
        wait("morning", "again", at="09:30"),
        wait("again", "end", days=3, until="outcome", timeout="part"),
        reentry="never",
        trigger={"on": "segment", "segment": "SG-VIP"},
    )
    others = [
        journey(code=f"J-{number}", trigger=trigger)
        for number, trigger in enumerate(
            (
                {"on": "fact", "fact": "aum", "op": ">=", "value": 5},
                {"on": "date", "fact": "due", "days": -7},
                {"on": "outcome", "products": ["LOAN-C"]},
                {"on": "outcome", "outcome": "any"},
            )
        )
    ]
    assert check({**AROUND, "journeys": [RECALL, every, *others]}) == (0, {"ok": True, "problems": []})


def test_wording_and_kinds_of_later_versions_are_no_problem_of_journeys(check: Check) -> None:
    templates = [{**each, "text": "{you} 保本"} for each in AROUND["templates"]]
    around = {**AROUND, "templates": templates, "stages": [{"code": "mql"}]}
    assert check({**around, "journeys": [RECALL]})[0] == 0


def test_names_are_found_in_the_database_when_the_file_has_none(
    check: Check, cli: Callable[..., Any], tmp_path: Path
) -> None:
    assert check({"journeys": [RECALL]})[0] == 1
    around = tmp_path / "around.yaml"
    around.write_text(yaml.safe_dump(AROUND, allow_unicode=True), "utf-8")
    assert cli("config", "apply", around).exit_code == 0
    assert check({"journeys": [RECALL]}) == (0, {"ok": True, "problems": []})


ASK = {"id": "ask", "do": "branch", "cases": [{"when": RICH, "then": "end"}], "else": "end"}
FACT = {"on": "fact", "op": ">=", "value": 5}


@pytest.mark.parametrize(
    ("given", "step", "message"),
    [
        # its ways
        (journey(sms("a"), sms("a")), "a", "Several steps have the id a."),
        (journey(sms("a", "gone")), "a", "then names the step gone, which does not exist."),
        (journey(sms("a", held="gone")), "a", "held names the step gone, which does not exist."),
        (
            journey(wait("a", hours=1, until="answered", timeout="gone")),
            "a",
            "timeout names the step gone, which does not exist.",
        ),
        (journey({**ASK, "else": "gone"}), "ask", "else names the step gone, which does not exist."),
        (
            journey({**ASK, "cases": [{"when": RICH, "then": "gone"}]}),
            "ask",
            "cases[0].then names the step gone, which does not exist.",
        ),
        (
            journey({"id": "s", "do": "split", "parts": {"end": 50, "gone": 50}}),
            "s",
            "parts.gone names the step gone, which does not exist.",
        ),
        (journey(sms("a"), sms("b")), "b", "Nobody can reach the step b."),
        (journey(sms("a", "b"), sms("b", "a")), "end", "Nobody can reach the step end."),
        (
            journey(sms("a", "b"), sms("b", "a", held="end")),
            "a",
            "The steps a, b are a cycle without a wait.",
        ),
        (
            journey(sms("a", "b"), wait("b", "a", hours=1, until="answered", timeout="end")),
            "a",
            "The steps a, b are a cycle without a wait.",
        ),
        # its pacing
        (
            journey(sms("a"), pacing={"sms": 5, "call": 2}),
            None,
            "The pacing limits contacts by call, but no step makes any.",
        ),
        # what a step says
        (journey({"id": "b", "do": "branch", "cases": [{"when": RICH, "then": "end"}]}), "b", "else"),
        (journey({**ASK, "cases": []}), "ask", "cases"),
        (journey({"id": "w", "do": "wait", "then": "end"}), "w", "one of hours, days and at"),
        (journey(wait("w", hours=1, days=1)), "w", "one of hours, days and at"),
        (journey(wait("w", hours=0)), "w", "hours"),
        (journey(wait("w", hours=0.0001)), "w", "whole seconds"),
        (journey(wait("w", days=0)), "w", "days"),
        (journey(wait("w", at="25:00")), "w", "at: not a time of day"),
        (journey(wait("w", hours=1, until="answered")), "w", "until an event and timeout belong together"),
        (journey(wait("w", hours=1, timeout="end")), "w", "until an event and timeout belong together"),
        (journey(wait("w", hours=1, until="sunset", timeout="end")), "w", "until"),
        (journey({"id": "s", "do": "split", "parts": {"end": 99}}), "s", "parts"),
        (
            journey({"id": "s", "do": "split", "parts": {"end": 60, "s2": 60}}, sms("s2")),
            "s",
            "add up to 120",
        ),
        (journey({"id": "j", "do": "jump", "then": "end"}), "j", "do is one of contact, wait"),
        (journey({"id": "t", "do": "tag", "then": "end"}), "t", "a tag to add or to remove"),
        (
            journey({"id": "t", "do": "tag", "add": ["vip"], "remove": ["vip"], "then": "end"}),
            "t",
            "the same tag",
        ),
        (journey(sms("a", speed=3)), "a", "speed: unknown key"),
        (journey({**END, "then": "end"}), "end", "then: unknown key"),
        (journey({"do": "wait", "hours": 1, "then": "end"}), "#1", "id: is missing"),
        (journey(sms("a", hold_hours=-1)), "a", "hold_hours"),
        # what it names
        (journey(sms("a", template="T-GONE")), "a", "There is no template with the code T-GONE."),
        (journey(sms("a", template="T-OLD")), "a", "The template T-OLD is not approved for use."),
        (
            journey(sms("a", template="T-CALL")),
            "a",
            "The template T-CALL is for the channel call, not sms.",
        ),
        (
            journey({**ASK, "cases": [{"when": {"fact": "age", "op": ">=", "value": 1}, "then": "end"}]}),
            "ask",
            "There is no fact age.",
        ),
        (
            journey({**ASK, "cases": [{"when": {"fact": "risk", "op": ">=", "value": 1}, "then": "end"}]}),
            "ask",
            "its purpose is not marketing",
        ),
        (
            journey({**ASK, "cases": [{"when": {"outcome": "CAR", "days": 1}, "then": "end"}]}),
            "ask",
            "There is no product with the code CAR.",
        ),
        (
            journey({**ASK, "cases": [{"when": {"interactions": 2, "days": 1}, "then": "end"}]}),
            "ask",
            "can't count interactions",
        ),
        (journey({"id": "t", "do": "tag", "add": ["new"], "then": "end"}), "t", "There is no tag “new”."),
        (
            journey({"id": "t", "do": "webhook", "target": "erp", "then": "end"}),
            "t",
            "There is no webhook target with the code erp.",
        ),
        (journey(trigger={"on": "hit", "rules": ["R-2"]}), None, "There is no rule with the code R-2."),
        (
            journey(trigger={"on": "segment", "segment": "SG"}),
            None,
            "There is no shared segment with the code SG.",
        ),
        (journey(trigger={**FACT, "fact": "age"}), None, "There is no fact age."),
        (journey(trigger={**FACT, "fact": "due"}), None, "can't be compared"),
        (journey(trigger={"on": "date", "fact": "aum"}), None, "can't be compared with within_days"),
        (
            journey(trigger={"on": "outcome", "products": ["CAR"]}),
            None,
            "There is no product with the code CAR.",
        ),
        (journey(goal={"products": ["CAR"]}), None, "There is no product with the code CAR."),
        (
            journey(
                {"id": "t", "do": "tag", "add": ["vip"], "then": "ask"},
                {**ASK, "cases": [{"when": {"attribute": "tag", "in": ["vip"]}, "then": "end"}]},
            ),
            "ask",
            "The journey itself changes the tag “vip”",
        ),
        # what a journey says of itself
        (journey(trigger={"on": "outcome"}), None, "give outcome: any, or products"),
        (journey(trigger={"on": "moon"}), None, "trigger"),
        (journey(goal={}), None, "goal: give outcome: any, or products"),
        (journey(reentry={"after_days": 0}), None, "reentry"),
        ({**journey(), "steps": []}, None, "steps"),
        ({"code": "J", "name": "旅程", "trigger": {"on": "hit"}}, None, "steps: is missing"),
        # what comes later
        (
            journey(trigger={"on": "app_event", "app_event": "login"}),
            None,
            "app events can't start journeys yet",
        ),
        (journey({"id": "x", "do": "stage", "to": "mql", "then": "end"}), "x", "there are no stages yet"),
        (
            journey(wait("w", hours=1, until={"app_event": "login"}, timeout="end")),
            "w",
            "journeys can't wait for app events yet",
        ),
        *(
            (
                journey({**ASK, "cases": [{"when": {"all": [test]}, "then": "end"}]}),
                "ask",
                f"leads can't be tested by {name} yet",
            )
            for name, test in {
                "score": {"score": "SC", "op": ">=", "value": 1},
                "stage": {"stage": "mql", "in": ["mql"]},
                "app_event": {"app_event": "login", "days": 3},
            }.items()
        ),
        *(
            (journey(sms("a", channel=channel)), "a", f"no gateway for the channel {channel} yet")
            for channel in ("email", "app", "wecom")
        ),
    ],
)
def test_each_reason_is_named_with_journey_and_step(
    check: Check, given: dict[str, Any], step: str | None, message: str
) -> None:
    status, answer = check({**AROUND, "journeys": [RECALL, given]})
    assert (status, answer["ok"]) == (1, False)
    assert {each["journey"] for each in answer["problems"]} == {"J"}
    assert [each for each in answer["problems"] if each["step"] == step and message in each["message"]], (
        answer
    )


def test_all_reasons_are_told_at_once(check: Check) -> None:
    wrong = journey(sms("a", "gone", template="T-GONE"), {"id": "w", "do": "wait", "then": "gone"})
    problems = check({**AROUND, "journeys": [{**wrong, "goal": {"products": ["CAR"]}}, RECALL, RECALL]})[1][
        "problems"
    ]
    assert [(each["journey"], each["step"]) for each in problems] == [
        ("J", "w"),
        ("J", None),
        ("J", "a"),
        ("J", "a"),
        ("J-RECALL", None),
    ]
    assert problems[-1]["message"] == "the code J-RECALL stands twice"
