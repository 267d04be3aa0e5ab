"""Filters with facts select the same leads as a brute force: in segments, counts, rules and back-tests."""

from __future__ import annotations

import datetime as dt
import operator
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.facts import compaction, store
from app.facts.importer import columns_of
from app.leads.cube import activity_root
from app.models import FactDefinition, Lead
from app.rules import lead_filter
from app.rules.definition import LeadFilterDef
from app.segments.as_filter import as_filter, as_segment
from app.segments.definition import SegmentDef
from app.segments.leads import leads_in
from tests import clock
from tests.segments.conftest import make_lead
from tests.thorough import examples

import pyarrow as pa  # isort: skip
import pyarrow.parquet as pq  # isort: skip

LEADS, DAYS = 6, 8
FIRST = clock.today() - dt.timedelta(days=DAYS)
SOURCES = ("甲", "乙")
KEEP = {"aum": 5, "tier": 100, "due": 100, "payroll": 100}
KINDS = {"aum": "money", "tier": "choice", "due": "date", "payroll": "flag"}


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


#: code → its values, as stored
VALUES = {
    "aum": st.sampled_from([0.0, 50.0, 100.0, 200.0]),
    "tier": st.sampled_from(["普通", "金卡"]),
    "due": st.integers(0, 14).map(day),
    "payroll": st.booleans(),
}
STATED = st.fixed_dictionaries({}, optional=VALUES)
#: deliveries: who was told what of which date, on which date, and whether it is a backfill
DELIVERIES = st.lists(
    st.tuples(
        st.dictionaries(st.tuples(st.integers(1, LEADS), st.integers(0, 6)), STATED, min_size=1, max_size=5),
        st.integers(4, DAYS),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)
COMPARE = {
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
}
TESTS = st.one_of(
    st.builds(
        lambda op, value: {"fact": "aum", "op": op, "value": value},
        st.sampled_from(list(COMPARE)),
        st.sampled_from([50, 100.0]),
    ),
    st.builds(
        lambda op, n: {"fact": "due", "op": op, "value": day(n).isoformat()},
        st.sampled_from(list(COMPARE)),
        st.integers(0, 14),
    ),
    st.builds(lambda n: {"fact": "due", "op": "within_days", "value": n}, st.integers(-5, 5)),
    st.builds(lambda value: {"fact": "payroll", "op": "==", "value": value}, st.booleans()),
    st.sampled_from(
        [
            {"fact": "tier", "op": "in", "value": ["金卡"]},
            {"fact": "tier", "op": "!=", "value": "金卡"},
            {"fact": "aum", "fell_by": 0.5, "against_days": 2},
            {"fact": "aum", "fell_by": 1.0, "against_days": 3},
            {"attribute": "source", "in": ["甲"]},
        ]
    ),
)
FILTERS = st.recursive(
    TESTS,
    lambda part: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda inner: {"not": inner}, part),
    ),
    max_leaves=5,
)


NUMBERS = st.sets(st.integers(0, DAYS), min_size=2, max_size=2)


def known(deliveries: Any, lead: int, code: str, as_of: dt.date) -> Any:
    """The value of a fact as of a date, as product and contract define it."""
    best = None
    for order, (rows, delivered, backfill) in enumerate(deliveries):
        for (whose, true_on), stated in rows.items():
            as_of_row = day(true_on)
            known_on = as_of_row if backfill else max(as_of_row, day(delivered) - dt.timedelta(days=1))
            seen = whose == lead and code in stated and max(as_of_row, known_on) <= as_of
            if seen and (as_of - as_of_row).days <= KEEP[code]:
                candidate = (as_of_row, order, stated[code])
                best = max(best, candidate, key=lambda each: each[:2]) if best else candidate
    return best[2] if best else None


def admits(part: Any, deliveries: Any, lead: int, as_of: dt.date) -> bool:
    match part:
        case {"all": parts}:
            return all(admits(each, deliveries, lead, as_of) for each in parts)
        case {"any": parts}:
            return any(admits(each, deliveries, lead, as_of) for each in parts)
        case {"not": inner}:
            return not admits(inner, deliveries, lead, as_of)
        case {"attribute": "source", "in": values}:
            return SOURCES[lead % 2] in values
    value = known(deliveries, lead, part["fact"], as_of)
    if value is None:
        return False
    match part:
        case {"fell_by": share, "against_days": days}:
            before = known(deliveries, lead, part["fact"], as_of - dt.timedelta(days=days))
            return bool(before) and before - value >= share * before
        case {"op": "in", "value": values}:
            return value in values
        case {"op": "within_days", "value": days}:
            ends = sorted([0, days])
            return ends[0] <= (value - as_of).days <= ends[1]
    wanted = dt.date.fromisoformat(part["value"]) if part["fact"] == "due" else part["value"]
    return bool(COMPARE[part["op"]](value, wanted))


@pytest.fixture
def people(app: Flask, session: Session) -> None:
    session.add_all(make_lead(number, None, SOURCES[number % 2]) for number in range(1, LEADS + 1))
    session.add_all(
        FactDefinition(
            code=code,
            name=f"事实{code}",
            kind=kind,
            keep_days=KEEP[code],
            choices=["普通", "金卡"] if kind == "choice" else [],
            updated_by="x",
        )
        for code, kind in KINDS.items()
    )
    session.commit()


def put(root: Path, deliveries: Any, ids: dict[int, int], columns: dict[str, store.Column]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    types = {"money": pa.float64(), "choice": pa.string(), "date": pa.date32(), "flag": pa.bool_()}
    for batch, (rows, delivered, backfill) in enumerate(deliveries, 1):
        table: dict[str, Any] = {
            "lead": pa.array([ids[lead] for lead, _day in rows], pa.int64()),
            "as_of": pa.array([day(n) for _lead, n in rows], pa.date32()),
        }
        for code, column in columns.items():
            stated = [each.get(code) for each in rows.values()]
            table[column.name] = pa.array(stated, types[KINDS[code]])
        path = root / "given.parquet"
        pq.write_table(pa.table(table), path)
        store.append(root, path, list(columns.values()), store.Delivery(batch, day(delivered), backfill))


@examples(3, 60)
@given(DELIVERIES, FILTERS, st.booleans(), st.integers(-3, 5), NUMBERS)
def test_as_of_any_date_those_who_pass_and_nobody_else(
    app: Flask, people: None, deliveries: Any, stated: Any, compacted: bool, at: int, numbers: set[int]
) -> None:
    with app.app_context():
        from app.extensions import db
        from app.facts import catalogue

        settings, session = app.config["SETTINGS"], db.session()
        root = activity_root(settings)
        leads = {int(row.lead_no[1:]): row.id for row in session.scalars(select(Lead))}
        facts = catalogue.definitions()
        columns = {fact.code: each for fact, each in zip(facts.values(), columns_of(facts), strict=True)}
        put(root, deliveries, leads, columns)
        if compacted:
            compaction.compact(root, list(columns.values()), day(at))
        rule_filter = LeadFilterDef.model_validate(stated)
        days = [day(number) for number in range(DAYS + 1)]
        by_day = lead_filter.leads_by_day(rule_filter, settings, days)
        assert by_day is not None
        if compacted:
            # What is past its days kept as of that date is gone; some tests look back three days.
            days = [each for each in days if each >= day(at + 3)]
        for each in days:
            expected = {leads[n] for n in leads if admits(stated, deliveries, n, each)}
            segment = SegmentDef(filter=rule_filter.filter)
            assert set(session.scalars(leads_in(session, segment, settings, each))) == expected
            assert set(by_day[each]["lead"].to_pylist()) == expected
        lead = leads[1]
        assert lead_filter.fits(rule_filter, lead, settings, days[-1]) == (lead in expected)
        assert as_filter(as_segment(rule_filter.filter)) == rule_filter.filter
