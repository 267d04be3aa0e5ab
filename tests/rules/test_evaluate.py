"""Several rules and dates in one evaluation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.activity import finder
from app.extensions import db
from app.models import Hit, Rule
from app.rules import evaluate, storing
from app.rules.evaluate import evaluate_days
from tests.rules.support import add_leads, apply_rule, calls, deliver

FIRST, LAST = dt.date(2026, 3, 9), dt.date(2026, 3, 10)


def test_rules_of_a_date_share_one_look_at_the_lead_list_and_nothing_else(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    add_leads(session, 1, source="s1")
    add_leads(session, 2, source="s2")
    seen = [(1, "2026-03-09 09:00", "A"), (2, "2026-03-10 10:00", "A"), (1, "2026-03-01 11:00", "B")]
    deliver(app, tmp_path / "logs", seen)
    apply_rule(app, calls(window_days=1), code="FILTERED", lead_filter={"sources": ["s2"]})
    apply_rule(app, calls(window_days=1), code="ALL")
    apply_rule(app, calls(window_days=10, institutions=["B"]), code="WIDE")
    fingerprints: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "bit_xor" in statement:
            fingerprints.append(statement)

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", note)
        evaluate_days(app.config["SETTINGS"], FIRST, LAST)
        event.remove(db.engine, "before_cursor_execute", note)
    found = session.execute(select(Rule.code, Hit.lead_id, Hit.hit_date).join(Hit, Hit.rule_id == Rule.id))
    assert sorted(found.tuples()) == [
        ("ALL", 1, FIRST),
        ("ALL", 2, LAST),
        ("FILTERED", 2, LAST),
        ("WIDE", 1, FIRST),
    ]
    assert len(fingerprints) == 1


def test_a_rule_that_asks_for_hits_sees_those_of_each_date(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    """FIRST's hits of the same date count, those of LATER don't yet, nor those of later dates."""
    add_leads(session, 1, 2, 3)
    deliver(app, tmp_path / "logs", [(1, "2026-03-08 09:00", "A"), (2, "2026-03-10 09:00", "A")])
    deliver(app, tmp_path / "more", [(3, "2026-03-08 09:00", "A")])
    after = {"filter": {"hits": {"rules": ["B-FIRST"], "days": 1}}}
    apply_rule(app, calls(window_days=2), code="A-EARLY", lead_filter=after)
    apply_rule(app, calls(window_days=1), code="B-FIRST", cooldown_days=1)
    apply_rule(app, calls(window_days=3), code="C-AFTER", lead_filter=after, cooldown_days=1)
    with app.app_context():
        counts = evaluate_days(app.config["SETTINGS"], dt.date(2026, 3, 8), LAST)
    assert {day: each["created"] for day, each in counts.items()} == {
        "2026-03-08": {"A-EARLY": 0, "B-FIRST": 2, "C-AFTER": 2},
        "2026-03-09": {"A-EARLY": 0, "B-FIRST": 0, "C-AFTER": 0},
        "2026-03-10": {"A-EARLY": 0, "B-FIRST": 1, "C-AFTER": 1},
    }


def test_leads_and_dates_are_evaluated_in_parts(
    app: Flask, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is told all along; evidence is written some hits at a time; the total is that of one part."""
    monkeypatch.setattr(finder, "ROWS_PER_SLICE", 2)
    for module, name, value in (
        *((evaluate, "CELLS_AT_ONCE", 3), (evaluate, "DAYS_AT_ONCE", 2)),
        *((storing, "ROWS_AT_ONCE", 2), (storing, "HITS_AT_ONCE", 3)),
    ):
        monkeypatch.setattr(module, name, value)
    add_leads(session, *range(1, 9))
    deliver(app, tmp_path / "logs", [(lead, f"2026-03-0{lead} 09:00", "A") for lead in range(1, 9)])
    apply_rule(app, calls(window_days=3), code="A", cooldown_days=2)
    apply_rule(app, calls(window_days=1), code="B")
    told: list[tuple[int, int]] = []
    first, last = dt.date(2026, 3, 1), dt.date(2026, 3, 5)
    with app.app_context():
        counts = evaluate_days(app.config["SETTINGS"], first, last, progress=lambda *each: told.append(each))
        again = evaluate_days(app.config["SETTINGS"], first, last)
    by_rule = {code: [each["created"][code] for each in counts.values()] for code in "AB"}
    assert by_rule == {"A": [1, 1, 2, 2, 2], "B": [1] * 5}
    assert [each["refreshed"]["A"] for each in counts.values()] == [0, 1, 1, 1, 1]
    assert not any(n for each in again.values() for n in each["created"].values())
    assert told == sorted(told)
    assert told[-1] == (10, 10)
    assert len(set(told)) > 3
