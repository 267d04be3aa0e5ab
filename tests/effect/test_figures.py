"""The figures equal a slow count over random banks, for every part, row scope and filter."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy.orm import Session

from app.effect import comparison, funnel, labels
from app.effect.funnel import DIMENSIONS, EffectFilters, Figures
from app.extensions import db
from app.hits.counts import HitFilter
from app.models import Staff
from app.rules.proportion import Share, difference
from tests.conftest import make_staff
from tests.effect import brute
from tests.effect.bank import TODAY, Bank


def plain(figures: Figures) -> list[Any]:
    stages = [figures.reached(stage) for stage in funnel.Stage]
    return [*stages, figures.sms, figures.calls, figures.cost, figures.claimed, figures.confirmed]


def holds(filters: EffectFilters, fact: dict[str, Any], within: set[int]) -> bool:
    """Return whether a hit meets the filters, those on the first contact aside."""
    chosen, hit = filters.hits, fact["hit"]
    if (chosen.first and hit.hit_date < chosen.first) or (chosen.last and hit.hit_date > chosen.last):
        return False
    expected = {
        "rule": (chosen.rule, hit.rule_id),
        "grade": (chosen.grade, hit.grade),
        "source": (chosen.source, fact["source"] if fact["source"] != "none" else ""),
        "version": (filters.version, hit.version_id),
    }
    return hit.branch_id in within and all(value in (None, real) for value, real in expected.values())


def first_contact_matches(filters: EffectFilters, fact: dict[str, Any]) -> bool:
    """Return whether the first contact of a hit meets the filters."""
    return all(getattr(filters, name) in ("", fact[name]) for name in ("channel", "template", "hour"))


@pytest.mark.parametrize("seed", range(4))
def test_every_part_is_the_slow_count(
    app: Flask, session: Session, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = Bank(session, app.config["SETTINGS"], seed)
    if seed > 1:
        bank.deliver()
    monkeypatch.setattr(funnel, "HITS_PER_SLICE", (5, 1000)[seed % 2])
    chief, anna = (
        make_staff(session, name, role) for name, role in (("chief", "Manager"), ("anna", "Marketer"))
    )
    anna.branch_id = bank.branches["HOME"].id
    session.commit()
    below = {bank.branches[name].id for name in ("HOME", "SUB")}
    everywhere = {0, *(each.id for each in bank.branches.values())}
    facts = brute.facts(session)
    versions = [each.id for each in bank.versions]
    with app.app_context():
        boss, marketer = (db.session.get_one(Staff, each.id) for each in (chief, anna))
        everything = HitFilter(boss)
        checked = 0
        for filters, within in (
            (EffectFilters(everything), everywhere),
            (EffectFilters(HitFilter(marketer)), below),
            (
                EffectFilters(
                    HitFilter(boss, first=TODAY - dt.timedelta(days=6), last=TODAY - dt.timedelta(days=2))
                ),
                everywhere,
            ),
            (EffectFilters(HitFilter(boss, branch=bank.branches["HOME"].path, grade="B")), below),
            (EffectFilters(HitFilter(boss, source="", rule=1), channel="sms"), everywhere),
            (EffectFilters(everything, version=versions[0], hour="9"), everywhere),
            (EffectFilters(HitFilter(marketer), template=str(bank.templates[1].id)), below),
            (EffectFilters(everything, channel="none"), everywhere),
            (EffectFilters(everything, channel="hand", hour="14"), everywhere),
        ):
            mine = [fact for fact in facts if holds(filters, fact, within)]
            matching = [fact for fact in mine if first_contact_matches(filters, fact)]
            found = funnel.count_funnel(filters)
            assert plain(found.total) == brute.funnel(matching)
            for name in DIMENSIONS:
                if name == "branch":
                    continue
                parts = {key: plain(part) for key, part in found.by[name].items()}
                keys = {fact[name] for fact in matching if not fact["hit"].holdout}
                expected = {key: brute.funnel([f for f in matching if f[name] == key]) for key in keys}
                assert parts == expected, name
            assert sum((part for part in found.by["branch"].values()), Figures()) == found.total
            checked += found.total.contacted
            slow = brute.comparison(
                session, lambda fact, filters=filters, within=within: holds(filters, fact, within)
            )
            for each in comparison.compare(filters)[1:]:
                key = each.version
                for held, share in ((False, each.marketed), (True, each.held_out)):
                    assert tuple(share) == slow.pop((key, held), (0, 0))
            assert not slow
        assert checked > 20


@pytest.mark.parametrize(
    ("marketed", "held_out", "chinese", "english"),
    [
        ((60, 500), (20, 400), "每 100 人多转化 7.0 人（95% 区间 3.4–10.6）", "7.0 more convert"),
        ((20, 400), (60, 500), "每 100 人少转化 7.0 人（95% 区间 3.4–10.6）", "7.0 fewer convert"),
        ((30, 400), (24, 400), "少 2.0 人到多 5.1 人之间（95% 区间）", "2.0 fewer and 5.1 more"),
        ((1, 40), (0, 10), "样本太少，还看不出差别", "Too few customers"),
        ((1, 40), (0, 0), "未设对照组", "no holdout group"),
    ],
)
def test_the_comparison_in_a_sentence(
    app: Flask, marketed: tuple[int, int], held_out: tuple[int, int], chinese: str, english: str
) -> None:
    one, other = Share(*marketed), Share(*held_out)
    apart = (one.value or 0) - (other.value or 0) if other.whole else None
    found = comparison.Comparison(None, one, other, apart, difference(one, other))
    with app.test_request_context():
        with force_locale("zh"):
            assert chinese in labels.verdict(found)
        with force_locale("en"):
            assert english in labels.verdict(found)
