"""The leads of a segment, by each part of its definition and by all together."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.lib.deadline import Deadline, DeadlineExceeded
from app.models import Branch, Lead, Tag
from app.segments import matrix, mix
from app.segments import sample as sampling
from app.segments.definition import segment_def
from app.segments.leads import leads_in, segment_criterion
from config import Settings
from tests import clock


def found(bank: Session, settings: Settings, definition: dict[str, Any]) -> list[str]:
    ids = leads_in(bank, segment_def(definition), settings)
    return sorted(bank.scalars(select(Lead.name).where(Lead.id.in_(ids))))


def day(settings: Settings, back: int) -> str:
    return (clock.today() - dt.timedelta(days=back)).isoformat()


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, "12345"),
        ({"sources": ["官网预约"]}, "45"),
        ({"sources": ["官网预约", "抖音推广"], "statuses": ["paused"]}, "2"),
        ({"opted_out": True}, "3"),
        ({"opted_out": False}, "1245"),
        ({"hits": {}}, "123"),
        ({"hits": {"grades": ["A"]}}, "13"),
        ({"hits": {"grades": ["A"], "days": 60}}, "1"),
        ({"hits": {"grades": ["A"], "statuses": ["waiting"]}}, "3"),
        ({"hits": {"rules": ["R-1"], "days": 1}}, "1"),
        ({"hits": {"rules": ["R-2"]}}, ""),
        ({"activity": {"metric": "calls", "at_least": 1, "window_days": 30}}, "123"),
        ({"activity": {"metric": "calls", "at_least": 1, "window_days": 20}}, "12"),
        ({"activity": {"metric": "calls", "at_least": 3, "window_days": 4}}, "1"),
        ({"activity": {"metric": "institutions", "at_least": 3, "window_days": 30}}, "3"),
        ({"activity": {"metric": "active_days", "at_least": 2, "window_days": 30}, "opted_out": False}, "1"),
    ],
)
def test_each_part(bank: Session, settings: Settings, definition: dict[str, Any], expected: str) -> None:
    assert found(bank, settings, definition) == [f"客{number}" for number in expected]


def test_branches_include_what_lies_below(bank: Session, settings: Settings) -> None:
    home, sub = (bank.scalars(select(Branch.id).where(Branch.code == code)).one() for code in ("HOME", "SUB"))
    assert found(bank, settings, {"branches": [home]}) == ["客1", "客3", "客5"]
    assert found(bank, settings, {"branches": [sub]}) == ["客3"]


def test_tags_mean_any_of_them(bank: Session, settings: Settings) -> None:
    vip = bank.scalars(select(Tag.id)).one()
    assert found(bank, settings, {"tags": [vip, vip + 1]}) == ["客1", "客4"]
    assert found(bank, settings, {"tags": [vip + 1]}) == []


def test_created_days_are_local_and_both_included(bank: Session, settings: Settings) -> None:
    assert found(bank, settings, {"created_to": day(settings, 40)}) == ["客2", "客3"]
    assert found(bank, settings, {"created_from": day(settings, 40), "created_to": day(settings, 1)}) == [
        "客1",
        "客2",
    ]


def test_activity_twice_in_one_transaction(bank: Session, settings: Settings) -> None:
    calls = {"activity": {"metric": "calls", "at_least": 3, "window_days": 30}}
    assert found(bank, settings, calls) == found(bank, settings, calls) == ["客1", "客3"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"statuses": ["sleeping"]},
        {"activity": {"metric": "calls", "at_least": 0, "window_days": 30}},
        {"activity": {"metric": "calls", "at_least": 1, "window_days": 367}},
        {"hits": {"grades": ["E"]}},
        {"created_from": "2026-02-30"},
        {"created_from": "2026-02-02", "created_to": "2026-02-01"},
    ],
)
def test_what_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DomainError):
        segment_def(wrong)


def test_a_definition_is_stored_and_read_back() -> None:
    stored = {"sources": ["a"], "created_from": "2026-02-01", "hits": {"days": 3}}
    assert segment_def(stored).as_json() == stored


def test_the_mix_counts_every_lead_once(bank: Session, settings: Settings) -> None:
    found = mix.mix(bank, segment_criterion(bank, segment_def({}), settings), 60)
    assert (found.total, found.exact) == (5, True)
    assert found.sources == [("抖音推广", 3), ("官网预约", 2)]
    branches = [(name, n) for _id, name, n in found.branches]
    assert sorted(branches) == [("", 1), ("AWAY 支行", 1), ("HOME 支行", 2), ("SUB 支行", 1)]
    assert found.grades == [("A", 2), ("C", 1), (None, 2)]


def test_what_takes_too_long_is_estimated_from_a_sample(
    bank: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = segment_criterion(bank, segment_def({}), settings)
    assert mix.count(bank, everybody, 0) == (5, False)
    assert not mix.mix(bank, everybody, 0).exact
    bank.execute(text("ANALYZE lead"))
    monkeypatch.setattr(sampling, "_RUNS", 1)
    monkeypatch.setattr(sampling, "_LENGTH", 2)
    part = sampling.sample(bank)
    seen = bank.scalar(select(func.count()).select_from(Lead).where(part.of, everybody)) or 0
    assert 0 < seen <= 2
    assert part.scaled(seen) == 5
    assert mix.count(bank, everybody, 0) == (5, False)
    found = mix.mix(bank, everybody, 0)
    assert found.total == 5
    counts, _unknown, exact = matrix.count(
        bank, matrix.Axis("hits", 1), matrix.Axis("calls", 1), settings, everybody, 0
    )
    assert not exact
    assert 4 <= sum(counts.values()) <= 6
    assert matrix.median(bank, "best_score", settings, everybody, 0) > 0


def test_patience_ends_a_statement_and_leaves_the_transaction(bank: Session) -> None:
    bank.execute(text("CREATE TEMP TABLE kept (a int) ON COMMIT DROP"))
    with pytest.raises(DeadlineExceeded):
        Deadline(bank, 0.05).execute(text("SELECT pg_sleep(5)"))
    assert Deadline(bank, 5).execute(text("SELECT count(*) FROM kept"))[0][0] == 0
    assert bank.scalar(text("SHOW statement_timeout")) == "0"
