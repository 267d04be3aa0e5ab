"""Coverage of an unsaved rule: exact, compared with the rules in force, and stopped with its reader."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.extensions import db
from app.lib.clock import today
from app.models import Lead, Rule, RuleVersion
from app.rules import coverage, versions
from app.rules.coverage import LeadSet
from app.rules.definition import RuleDef
from app.rules.evaluate import preview
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from app.screens.rules import coverage as page
from app.t1.deliveries import ingest_logs
from tests import clock
from tests.conftest import Person

LEADS = 8


def condition(value: int, **more: Any) -> dict[str, Any]:
    return {"metric": "calls", "op": ">=", "value": value, "window_days": 3, **more}


def typed(code: str = "R-NEW", **given: Any) -> dict[str, Any]:
    return {"code": code, "name": "一", "conditions": [condition(2)], **given}


@pytest.fixture
def yesterday(app: Flask) -> dt.date:
    with app.app_context():
        return today() - dt.timedelta(days=1)


@pytest.fixture
def bank(app: Flask, session: Session, tmp_path: Path, yesterday: dt.date) -> None:
    """Lead n has n calls yesterday and n calls three days before; R-OLD is in force."""
    for n in range(1, LEADS + 1):
        session.add(
            Lead(
                id=n,
                lead_no=f"L{n}",
                name=f"客{n}",
                id_hash=f"{n:032x}" * 2,
                phone_cipher=b"",
                phone_index="",
                phone_masked=f"138****000{n}",
                source="官网" if n % 2 else "线下",
            )
        )
    session.commit()
    lines = [
        {
            "request_id": f"{day}-{lead.id}-{call}",
            "event_time": f"{day} 10:00:{call:02d}",
            "event_type": "data_call",
            "institution_code": "I-1",
            "id_hash": lead.id_hash,
            "result": "success",
        }
        for lead in session.scalars(select(Lead))
        for day in (yesterday, yesterday - dt.timedelta(days=3))
        for call in range(lead.id)
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    old = {"code": "R-OLD", "name": "旧", "conditions": [condition(5)]}
    other = {
        "code": "R-OTHER",
        "name": "他",
        "conditions": [condition(7)],
        "lead_filter": {"sources": ["官网"]},
    }
    with app.app_context():
        assert ingest_logs(app.config["SETTINGS"], [log]).as_json()["accepted"] == len(lines)
        apply_config(parse_config({"rules": [old, other]}, "test"), "x")


def lines(person: Person, rule: dict[str, Any], days: int = 14) -> list[dict[str, Any]]:
    data = {"rule": json.dumps(rule), "days": days}
    answer = person.submit("/ruleversionview/coverage", data)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def of(step: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in found if line["step"] == step]


def test_each_day_with_data_is_counted_as_the_preview_counts_it(
    app: Flask, bank: None, login: Callable[..., Person], yesterday: dt.date
) -> None:
    found = lines(login("Manager"), typed())
    [counted] = of("counted", found)
    # The dates between have no events of their own, so they are no days with data.
    assert counted["counts"] == {str(yesterday - dt.timedelta(days=3)): 7, str(yesterday): 7}
    with app.app_context():
        definition = RuleDef.model_validate_json(json.dumps(typed()))
        assert preview(app.config["SETTINGS"], definition, yesterday, yesterday) == {str(yesterday): 7}
    assert found[-1] == {"step": "end"}


def test_the_sample_has_masked_phones_grades_and_reasons(bank: None, login: Callable[..., Person]) -> None:
    [sample] = of("sample", lines(login("Manager"), typed(conditions=[condition(8)])))
    [lead] = sample["leads"]
    assert (lead["no"], lead["phone"], lead["grade"]) == ("L8", "138****0008", "B")
    assert "8 × active at I-1, threshold 8" in lead["reason"]
    assert lead["url"] == "/leadview/show/8"


def test_change_and_overlap_are_those_of_the_last_day(bank: None, login: Callable[..., Person]) -> None:
    found = lines(login("Manager"), typed("R-OLD", conditions=[condition(4), condition(7, op="<")]))
    [change] = of("change", found)
    assert {group["name"]: group["n"] for group in change["groups"]} == {"gained": 1, "lost": 2, "kept": 2}
    assert {group["name"]: [lead["no"] for lead in group["leads"]] for group in change["groups"]} == {
        "gained": ["L4"],
        "lost": ["L7", "L8"],
        "kept": ["L5", "L6"],
    }
    [other] = of("overlap", found)
    assert (other["name"], other["both"], other["share"]) == ("R-OTHER 他", 0, 0.0)
    # Of R-OTHER only L7 is left by its lead filter; a rule that is new loses nobody.
    found = lines(login("Manager"), typed(lead_filter={"statuses": ["active"]}))
    assert of("change", found) == [{"step": "change", "new": True}]
    assert {line["name"]: (line["both"], line["share"]) for line in of("overlap", found)} == {
        "R-OLD 旧": (4, 57.1),
        "R-OTHER 他": (1, 14.3),
    }


def test_who_decides_sees_the_change_of_coverage(
    app: Flask, bank: None, session: Session, login: Callable[..., Person], yesterday: dt.date
) -> None:
    rule = session.scalars(select(Rule).where(Rule.code == "R-OLD")).one()
    with app.app_context():
        wanted = RuleDef.model_validate_json(
            json.dumps(typed("R-OLD", conditions=[condition(4), condition(7, op="<")]))
        )
        draft = versions.add_version(db.session.get_one(Rule, rule.id), wanted, "maker")
        db.session.commit()
        draft_id = draft.id
    asked = login("Manager", username="maker").submit(f"/ruleversionview/submit/{draft_id}", {"reason": "r"})
    address = asked.headers["Location"]
    checker = login("Manager", username="checker")
    fetch = f"/approvalview/turnover/{address.rsplit('/', 1)[1]}"
    assert fetch in checker.get(address).text
    said = checker.get(fetch).text
    assert "1 leads gained, 2 lost, 2 kept" in said
    cells = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>.*?</tr>", said)[1:]]
    assert cells[-1] == [str(yesterday), "4", "3", "-1"]
    assert login("DataOperator").get(fetch).status_code == 403


def test_what_is_remembered_of_other_rules_follows_the_data(
    app: Flask, bank: None, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    before = of("overlap", lines(manager, typed()))
    session.get_one(Lead, 8).deleted_at = clock.now()
    session.get_one(Lead, 7).source = "线下"
    session.commit()
    after = of("overlap", lines(manager, typed()))
    assert [[line["both"] for line in found] for found in (before, after)] == [[4, 1], [3, 0]]


def test_without_any_log_it_says_so(app: Flask, login: Callable[..., Person]) -> None:
    [line] = lines(login("Manager"), typed())
    assert line["step"] == "empty"


def test_an_unsound_rule_and_odd_days_are_refused(app: Flask, login: Callable[..., Person]) -> None:
    manager = login("Manager")
    assert lines(manager, typed(conditions=[condition(0, op="<")])) == [{"step": "unsound"}]
    assert manager.submit("/ruleversionview/coverage", {"rule": "", "days": 365}).status_code == 400


@pytest.mark.parametrize("path", ["coverage", "wording", "find"])
@pytest.mark.parametrize("role", ["Marketer", "Auditor", "DataOperator"])
def test_who_may_not_edit_rules_asks_nothing(
    app: Flask, login: Callable[..., Person], role: str, path: str
) -> None:
    person = login(role)
    if path == "find":
        assert person.get("/ruleversionview/find?kind=tags").status_code == 403
    else:
        data = {"rule": json.dumps(typed()), "days": 7}
        assert person.submit(f"/ruleversionview/{path}", data).status_code == 403


def test_a_reader_who_goes_stops_the_counting_and_lets_the_next_one_in(
    app: Flask, bank: None, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    real = coverage.count

    def slowly(*args: Any) -> Any:
        for part in real(*args):
            counted.append(part.done)
            yield part

    monkeypatch.setattr(coverage, "count", slowly)
    monkeypatch.setattr("app.activity.finder.ROWS_PER_SLICE", 2)
    monkeypatch.setattr(page, "LINE_SECONDS", 0.0)
    manager = login("Manager")
    data = {"rule": json.dumps(typed()), "days": "7"}
    answer = manager.submit("/ruleversionview/coverage", data, buffered=False)
    first = json.loads(next(iter(answer.response)))
    answer.close()
    assert first["step"] == "count"
    assert len(counted) == 1
    monkeypatch.setattr(page, "LINE_SECONDS", 0.25)
    assert of("counted", lines(manager, typed()))


def test_sets_of_leads_are_sets() -> None:
    some, others = np.array([1, 5, 9, 70]), np.array([5, 6])
    a, b = LeadSet.of(some), LeadSet.of(others)
    assert (len(a), len(b), len(LeadSet.empty())) == (4, 2, 0)
    assert (a & b).spread(9) == (b & a).spread(9) == [5]
    assert (a - b).spread(9) == [1, 9, 70]
    assert (b - a).spread(9) == [6]
    assert (LeadSet.empty() - a).spread(9) == []
    assert a.spread(2) == [1, 70]


def test_the_change_of_coverage_is_shown_at_submission_and_stays_after_approval(
    app: Flask, bank: None, session: Session, login: Callable[..., Person]
) -> None:
    rule = session.scalars(select(Rule).where(Rule.code == "R-OLD")).one()
    with app.app_context():
        wanted = RuleDef.model_validate_json(json.dumps(typed("R-OLD", conditions=[condition(8)])))
        draft_id = versions.add_version(db.session.get_one(Rule, rule.id), wanted, "maker").id
        db.session.commit()
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    fetch = f"/ruleversionview/turnover/{draft_id}"
    for address in (f"/ruleversionview/submit/{draft_id}", f"/ruleversionview/show/{draft_id}"):
        assert fetch in maker.get(address).text

    def numbers(person: Person, path: str) -> list[str]:
        return re.findall('<td class="number">.*?</td>', person.get(path).text)

    before = numbers(maker, fetch)
    assert before
    asked = maker.submit(f"/ruleversionview/submit/{draft_id}", {"reason": "r"}).headers["Location"]
    number = asked.rsplit("/", 1)[1]
    checker.submit(f"/approvalview/approve/{number}", {"note": "ok"})
    assert session.get_one(RuleVersion, draft_id).status == "active"
    assert numbers(maker, fetch) == before
    assert f"/approvalview/turnover/{number}" in checker.get(asked).text
    assert numbers(checker, f"/approvalview/turnover/{number}") == before
