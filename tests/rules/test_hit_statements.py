"""The statements that store hits: their query plans on a filled table, and two rules at once."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.activity.finder import Met
from app.extensions import db
from app.rules import storing
from app.rules.compiled import Evaluated
from app.rules.sql import SQL
from app.rules.storing import Found
from app.rules.versions import active_versions
from tests.rules.support import add_leads, apply_rule

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
    """INSERT INTO hit_stage (version_id, lead_id, hit_date, values, score, grade, evidence, last_met_on,
                              is_new)
       SELECT v.id, l.id, '2026-03-10', '{1}', 1, 'A', '{}', '2026-03-10', l.id % 4 = 0
       FROM rule_version v, lead l WHERE l.id % 2 = 0""",
    SQL["hit_stage_analyze"],
    SQL["hit_met"],
    "INSERT INTO hit_met SELECT id FROM lead WHERE id % 2 = 0",
    SQL["hit_met_analyze"],
    # What the server knows of a table that an earlier test emptied would choose the plan.
    "ANALYZE lead, rule_version",
)
#: as many as there are rules: a loop over them, or one that reads them whole, costs nothing
VERSIONS = "rule_version"


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


def innermost(plan: dict[str, Any]) -> dict[str, Any]:
    while plan["Node Type"] in ("Memoize", "Materialize"):
        [plan] = plan["Plans"]
    return plan


@pytest.mark.parametrize("name", ["hit_insert", "hit_refresh_same_day", "hit_known"])
def test_hits_are_stored_by_sets(filled: Connection, name: str) -> None:
    rule, version = filled.execute(text("SELECT rule_id, id FROM rule_version")).one()
    values = {"rule": rule, "version": version, "today": DAY, "first": DAY, "last": DAY, "data_batch": "1"}
    [explained] = filled.execute(text(f"EXPLAIN (FORMAT JSON) {SQL[name]}"), values).scalar_one()
    for node in nodes(explained["Plan"]):
        assert not node.get("Subplan Name", "").startswith("SubPlan"), "asked for each row"
        if node["Node Type"] == "Nested Loop":
            outer, inner = (innermost(part) for part in node["Plans"])
            if VERSIONS not in (outer.get("Relation Name"), inner.get("Relation Name")):
                assert "Index Cond" in inner, f"{inner['Node Type']} for each row"


class Scored:
    """Stands for the engine: hits of a version whose evidence is a score."""

    def __init__(self, version: int, score: float) -> None:
        self.version, self.score = version, score
        self.held: dict[str, pa.Table] = {}

    @contextmanager
    def holding(self, name: str, table: pa.Table) -> Iterator[None]:
        self.held[name] = table
        yield

    def keep(self, name: str, rows: Any) -> None:
        """Need nothing."""

    def run(self, statement: Any, **values: Any) -> pa.Table:
        lines = [
            f"{self.version}\t{row['lead']}\t{row['as_of']}\t{{1}}\t{self.score}\tA"
            f'\t{{"score": {self.score}}}\t{row["last_met_on"]}\t{row["is_new"]}\n'
            for row in self.held["asked"].to_pylist()
        ]
        return pa.table({"line": lines})


def test_two_rules_store_the_hits_of_the_same_customers_at_once(
    app: Flask, session: Session, engine: Engine
) -> None:
    """Each has a new hit of the customer whose hit the other one refreshes; neither waits for ever."""
    add_leads(session, 1, 2)
    apply_rule(app, code="A")
    apply_rule(app, code="B")
    settings, faults = app.config["SETTINGS"], list[DBAPIError]()
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    inserted, threads = [threading.Event(), threading.Event()], list[threading.Thread]()
    with app.app_context():
        rules = [Evaluated.of(version) for version in active_versions()]
        db.session.expunge_all()

    def store(number: int, *leads: int, score: float) -> None:
        found = Met(np.array(leads), np.ones((len(leads), 1), np.bool_), [np.ones((len(leads), 1), np.int64)])
        counts = {DAY.isoformat(): {"created": Counter[str](), "refreshed": Counter[str]()}}
        rule = rules[number]
        scored: Any = Scored(rule.version_id, score)
        with ThreadPoolExecutor(1) as ahead:
            for _share in storing.store(settings, Found(scored, 1, [rule], [DAY], [found]), ahead, counts):
                pass

    def meets(number: int) -> None:
        """Go on after the refreshed hits when the other rule has its own, or waits for this one."""
        inserted[number].set()
        with engine.connect() as observer:
            while not inserted[1 - number].is_set() and not observer.scalar(waiting):
                observer.rollback()

    def evaluates(number: int) -> None:
        try:
            with app.app_context():
                store(number, 1, 2, score=2.0)
        except DBAPIError as error:
            faults.append(error)

    def refreshed(*call: Any) -> None:
        if "SET values = s.values" in call[2] and (here := threading.current_thread()) in threads:
            meets(threads.index(here))

    with app.app_context():
        store(0, 2, score=1.0)
        store(1, 1, score=1.0)
        event.listen(db.engine, "after_cursor_execute", refreshed)
        threads += [threading.Thread(target=evaluates, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        event.remove(db.engine, "after_cursor_execute", refreshed)
    assert faults == []
    assert session.execute(text("SELECT count(*), min(score) FROM hit")).one() == (4, 2.0)
