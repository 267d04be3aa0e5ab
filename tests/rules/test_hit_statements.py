"""Query plans of the statements that store hits, on a filled table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from app.extensions import db
from app.rules.sql import SQL
from tests.rules.support import apply_rule

DAY = dt.date(2026, 3, 10)
FILL = (
    """INSERT INTO lead (id, lead_no, name, id_hash, phone_cipher, phone_index, phone_masked)
       SELECT n, 'L' || n, '客', lpad(to_hex(n), 64, '0'), '', '', '' FROM generate_series(1, 4000) n""",
    """INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence, last_met_on,
                        made_on)
       SELECT v.rule_id, v.id, l.id, DATE '2026-03-10' - d, '{1}', 1, 'A', '{}', DATE '2026-03-10' - d,
              DATE '2026-03-10' - d
       FROM rule_version v, lead l, generate_series(1, 21, 7) d""",
    SQL["hit_stage"],
    """INSERT INTO hit_stage (lead_id, values, score, grade, evidence)
       SELECT id, '{1}', 1, 'A', '{}' FROM lead WHERE id % 2 = 0""",
    SQL["hit_stage_analyze"],
)


@pytest.fixture
def filled(app: Flask) -> Iterator[Connection]:
    """A transaction with 12,000 hits of a rule and 2,000 staged rows."""
    apply_rule(app)
    with app.app_context():
        connection = db.session.connection()
        for statement in FILL:
            connection.execute(text(statement))
        connection.execute(text(SQL["hit_analyze"]))
        yield connection
        db.session.rollback()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("name", ["hit_insert", "hit_refresh_same_day", "hit_refresh_later"])
def test_hits_are_stored_by_sets(filled: Connection, name: str) -> None:
    rule, version = filled.execute(text("SELECT rule_id, id FROM rule_version")).one()
    values = {"rule": rule, "version": version, "day": DAY, "cooldown": 7, "today": DAY, "number": 1}
    [explained] = filled.execute(text(f"EXPLAIN (FORMAT JSON) {SQL[name]}"), values).scalar_one()
    for node in nodes(explained["Plan"]):
        assert not node.get("Subplan Name", "").startswith("SubPlan"), "asked for each row"
        if node["Node Type"] == "Nested Loop":
            inner = node["Plans"][1]
            assert "Index Cond" in inner, f"{inner['Node Type']} for each row"
