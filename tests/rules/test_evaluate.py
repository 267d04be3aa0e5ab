"""Several rules and dates in one evaluation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import Hit, Rule
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
    assert len(fingerprints) == 2
