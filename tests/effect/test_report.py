"""The effect of rules in people and money: equal to a slow count, with intervals that keep their promise."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.effect import money, money_words
from app.effect.comparison import MIN_PEOPLE
from app.effect.funnel import EffectFilters
from app.effect.means import Estimate
from app.effect.report import Arm, ArmsEffect, together
from app.extensions import db
from app.hits.counts import HitFilter
from app.models import Hit, Outcome, Outreach, Staff
from app.rules.proportion import Interval, Share, difference
from tests.conftest import make_staff
from tests.effect.bank import TODAY, ZONE, Bank
from tests.thorough import share, thorough

WORLDS = 2000


def slow(session: Session, first: dt.date, last: dt.date, days: int) -> dict[str, Any]:
    """The report by loops over people."""
    session.expire_all()
    hits = list(session.scalars(select(Hit).order_by(Hit.hit_date, Hit.id)))
    told = [
        (each.lead_id, each.product, each.on_date, each.amount, each.margin)
        for each in session.scalars(select(Outcome))
    ]
    found: dict[str, Any] = {}
    people = {}
    for hit in hits:
        if hit.lead.deleted_at is None:
            people.setdefault((hit.rule.code, hit.lead_id), hit)
    for (code, lead), hit in people.items():
        if not first <= hit.hit_date <= last:
            continue
        until = hit.hit_date + dt.timedelta(days=days)
        arms = found.setdefault(code, {"treated": [], "holdout": [], "cost": 0.0})
        if told:
            won = [
                (amount, amount * product.margin_rate if margin is None else margin)
                for of, product, on, amount, margin in told
                if of == lead and hit.hit_date <= on <= until
                if not hit.version.products or product.code in hit.version.products
            ]
        else:
            claims = [h for h in hits if h.lead_id == lead and h.status == "converted" and h.converted_at]
            won = [
                (h.amount or 0, 0)
                for h in claims
                if hit.hit_date <= h.converted_at.astimezone(ZONE).date() <= until
            ]
        arms["holdout" if hit.holdout else "treated"].append(won)
        if not hit.holdout:
            own = [h.id for h in hits if (h.rule.code, h.lead_id) == (code, lead) and h.hit_date <= until]
            costs = session.scalars(select(Outreach.cost).where(Outreach.hit_id.in_(own)))
            arms["cost"] += float(sum(cost or 0 for cost in costs))
    return {code: _figures(arms) for code, arms in found.items()}


def _figures(arms: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in ("treated", "holdout"):
        told[name] = {
            "people": len(arms[name]),
            "converted": sum(bool(won) for won in arms[name]),
            "amount": float(sum(amount for won in arms[name] for amount, _margin in won)),
            "margin": float(sum(margin for won in arms[name] for _amount, margin in won)),
        }
    one, other = told["treated"], told["holdout"]
    gap = difference(Share(one["converted"], one["people"]), Share(other["converted"], other["people"]))
    both = bool(one["people"] and other["people"])
    told["difference"] = (
        one["converted"] / one["people"] - other["converted"] / other["people"] if both else None
    )
    told["interval"] = list(gap) if gap else None
    told["cost"] = arms["cost"]
    told["roi"] = None
    if both and arms["cost"]:
        apart = one["margin"] / one["people"] - other["margin"] / other["people"]
        told["roi"] = (apart * one["people"] - arms["cost"]) / arms["cost"]
    return told


@thorough
@pytest.mark.parametrize("seed", share(range(40), 2))
def test_the_report_is_the_slow_count(
    app: Flask, cli: Callable[..., Any], session: Session, seed: int
) -> None:
    bank = Bank(session, app.config["SETTINGS"], seed, leads=40)
    if seed % 4:
        bank.deliver()
    random, compared = Random(seed), 0
    for _ in range(4):
        first, last = sorted(TODAY - dt.timedelta(days=random.randint(0, 12)) for _ in range(2))
        days = random.choice((0, 3, 30))
        done = cli("effect", "report", "--from", first, "--to", last, "--days", days, "--json")
        assert done.exit_code == 0, done.output
        assert ("no outcomes have been delivered" in done.stderr) == (seed % 4 == 0)
        found, expected = json.loads(done.stdout)["rules"], slow(session, first, last, days)
        assert found.keys() == expected.keys()
        for code, figures in expected.items():
            assert flat(found[code]) == pytest.approx(flat(figures), nan_ok=True)
            compared += figures["difference"] is not None
    assert compared


def flat(figures: dict[str, Any]) -> dict[str, float]:
    """The figures without nesting, null as NaN."""
    values = {name: value for name, value in figures.items() if not isinstance(value, dict | list)}
    values |= {f"{arm} {name}": n for arm in ("treated", "holdout") for name, n in figures[arm].items()}
    values["low"], values["high"] = figures["interval"] or (None, None)
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def test_a_rule_without_holdout_has_no_effect(cli: Callable[..., Any], session: Session, app: Flask) -> None:
    Bank(session, app.config["SETTINGS"], 3)
    for hit in session.scalars(select(Hit)):
        hit.holdout = False
    session.commit()
    done = cli("effect", "report", "--from", TODAY - dt.timedelta(days=20), "--to", TODAY, "--json")
    for figures in json.loads(done.stdout)["rules"].values():
        assert figures["treated"]["people"]
        assert (figures["difference"], figures["interval"], figures["roi"]) == (None, None, None)
    refused = cli("effect", "report", "--from", TODAY, "--to", TODAY - dt.timedelta(days=1), "--json")
    assert refused.exit_code == 1
    assert refused.stdout == ""


@pytest.mark.parametrize("effect", [0.0, 0.02])
@pytest.mark.parametrize(("base", "treated", "holdout"), [(0.03, 1900, 100), (0.05, 800, 800)])
def test_the_interval_covers_the_truth_as_often_as_it_says(
    effect: float, base: float, treated: int, holdout: int
) -> None:
    random, covered = Random(20261130), 0
    for _ in range(WORLDS):
        one, other = (
            Arm(people, random.binomialvariate(people, chance))
            if hasattr(random, "binomialvariate")
            else Arm(people, sum(random.random() < chance for _ in range(people)))
            for people, chance in ((treated, base + effect), (holdout, base))
        )
        low, high = ArmsEffect(one, other, 0.0).interval or (0.0, 0.0)
        covered += low <= effect <= high
    assert abs(covered / WORLDS - 0.95) <= 4 * math.sqrt(0.95 * 0.05 / WORLDS)


#: sizes of purchases: all alike, spread, and with few large ones; each 1,000 yuan on average
SIZES: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "alike": lambda random, n: np.full(n, 1000.0),
    "spread": lambda random, n: random.exponential(1000, n),
    "skewed": lambda random, n: random.lognormal(math.log(1000) - 0.5, 1, n),
}


def drawn(random: np.random.Generator, people: int, chance: float, sizes: Any) -> Arm:
    """An arm of people of whom each buys with a chance, with a margin of a twentieth of what they buy."""
    won = random.binomial(people, chance)
    bought = sizes(random, won)
    amount, squares = float(bought.sum()), float((bought**2).sum())
    return Arm(people, int(won), amount, amount / 20, squares / 400, squares)


@pytest.mark.parametrize(
    "sizes", ["spread", *(pytest.param(name, marks=pytest.mark.long) for name in ("alike", "skewed"))]
)
@pytest.mark.parametrize("effect", [0.0, 0.02])
@pytest.mark.parametrize(("base", "treated", "holdout"), [(0.03, 1900, 100), (0.05, 800, 800)])
def test_amount_margin_and_return_cover_the_truth_as_often_as_they_say(
    sizes: str, effect: float, base: float, treated: int, holdout: int
) -> None:
    random, covered = np.random.default_rng(20261130), np.zeros(3)
    amount = effect * 1000
    truths = (amount, amount / 20, amount / 20 * treated / 5000 - 1)
    for _ in range(WORLDS):
        one = drawn(random, treated, base + effect, SIZES[sizes])
        of = ArmsEffect(one, drawn(random, holdout, base, SIZES[sizes]), 5000)
        assert of.amount is not None
        assert of.margin is not None
        assert of.brought is not None
        assert of.brought.roi is not None
        estimates = (of.amount, of.margin, of.brought.roi)
        covered += [
            each.interval.low <= truth <= each.interval.high
            for each, truth in zip(estimates, truths, strict=True)
        ]
    assert np.abs(covered / WORLDS - 0.95).max() <= 4 * math.sqrt(0.95 * 0.05 / WORLDS)


@pytest.mark.long
def test_a_sum_over_rules_covers_the_truth_as_often_as_it_says() -> None:
    """Three rules hold others out of the same 2,000 people each; the first changes what they buy."""
    random, covered, people = np.random.default_rng(20261130), 0, 2000
    for _ in range(WORLDS):
        treated = [random.random(people) < share for share in (0.9, 0.8, 0.5)]
        buys = random.random(people) < 0.04 + 0.02 * treated[0]
        margin = buys * random.exponential(50, people)
        effects = [ArmsEffect(arm_of(margin[of]), arm_of(margin[~of]), 100.0) for of in treated]
        found = together(effects)
        assert found is not None
        low, high = found.caused.interval
        covered += low <= 0.02 * 50 * treated[0].sum() <= high
    assert abs(covered / WORLDS - 0.95) <= 4 * math.sqrt(0.95 * 0.05 / WORLDS)


def arm_of(margins: Any) -> Arm:
    won = int((margins > 0).sum())
    return Arm(len(margins), won, 0.0, float(margins.sum()), float((margins**2).sum()))


def test_intervals_of_money_are_those_of_shares_where_everybody_buys_for_one_yuan() -> None:
    treated, holdout = Arm(900, 60, 60, 60, 60, 60), Arm(100, 3, 3, 3, 3, 3)
    effect = ArmsEffect(treated, holdout, 10)
    assert effect.amount is not None
    assert effect.margin == effect.amount
    assert effect.interval == pytest.approx(effect.amount.interval)
    nobody = ArmsEffect(Arm(10), Arm(10), 1).margin
    assert nobody == Estimate(0.0, Interval(0.0, 0.0))
    losing = ArmsEffect(Arm(900, 60, 60, 20, 60, 60, 20, 20), holdout, 10).margin
    assert losing is not None
    assert losing.value == pytest.approx(20 / 900 - 3 / 100)
    assert losing.interval.low < effect.amount.interval.low
    assert ArmsEffect(treated, Arm(), 10).brought is None
    assert ArmsEffect(treated, holdout, 0).brought is not None
    assert ArmsEffect(treated, holdout, 0).brought.roi is None  # type: ignore[union-attr]


@thorough
@pytest.mark.parametrize("seed", share(range(20), 2))
def test_money_by_branch_template_and_batch_is_the_slow_count(
    app: Flask, session: Session, seed: int
) -> None:
    bank = Bank(session, app.config["SETTINGS"], seed, leads=40)
    bank.deliver()
    make_staff(session, "chief", "Manager")
    session.commit()
    first, last = TODAY - dt.timedelta(days=9), TODAY - dt.timedelta(days=2)
    with app.app_context():
        chief = db.session.scalars(select(Staff).where(Staff.username == "chief")).one()
        filters = EffectFilters(HitFilter(chief, first=first, last=last))
        rules, branches = money.by_rule(filters), money.by_branch(filters)
        total = sum((money.of_effects([each]) for each in rules.values()), money.NOBODY)
        parts = sum(branches.values(), money.NOBODY)
        found = {name: money.by_contact(filters, name) for name in money.CONTACTED}
    names = ("people", "converted", "amount", "margin", "cost")
    assert [getattr(parts, name) for name in names] == pytest.approx([getattr(total, name) for name in names])
    assert total.people > 10
    assert total.brought is not None
    for name, column in (("template", "version_id"), ("batch", "batch_id")):
        expected = slow_contacts(session, column, first, last)
        shown = {key: [getattr(part, each) for each in names] for key, part in found[name].items()}
        assert shown == {key: pytest.approx(figures) for key, figures in expected.items()}
        assert sum(figures[1] for figures in expected.values())


def slow_contacts(session: Session, column: str, first: dt.date, last: dt.date) -> dict[str, list[float]]:
    """People, conversions, amount, margin and cost of contacts by a column, by loops."""
    session.expire_all()
    told = list(session.scalars(select(Outcome)))
    people: dict[str, dict[int, Outreach]] = {}
    costs: dict[str, float] = {}
    query = select(Outreach).where(Outreach.sent_at.is_not(None)).order_by(Outreach.sent_at, Outreach.id)
    for row in session.scalars(query):
        if row.hit.lead.deleted_at is None and first <= row.hit.hit_date <= last:
            key = str(getattr(row, column))
            people.setdefault(key, {}).setdefault(row.lead_id, row)
            costs[key] = costs.get(key, 0.0) + float(row.cost or 0)
    found = {}
    for key, rows in people.items():
        won = [[each for each in told if in_time(each, row)] for row in rows.values()]
        sold = [each for some in won for each in some]
        margins = [
            each.amount * each.product.margin_rate if each.margin is None else each.margin for each in sold
        ]
        sums = (float(sum(each.amount for each in sold)), float(sum(margins)))
        found[key] = [len(rows), sum(bool(some) for some in won), *sums, costs[key]]
    return found


def in_time(outcome: Outcome, row: Outreach) -> bool:
    assert row.sent_at is not None
    day, counted = row.sent_at.astimezone(ZONE).date(), row.hit.version.products
    return (
        outcome.lead_id == row.lead_id
        and day <= outcome.on_date <= day + dt.timedelta(days=30)
        and (not counted or outcome.product.code in counted)
    )


def test_a_return_is_shown_when_both_groups_have_enough_people(app: Flask) -> None:
    def shown(held_out: int) -> tuple[str, str]:
        arms = (Arm(n, n // 3, 1000.0 * n, 30.0 * n, 2700.0 * n) for n in (500, held_out))
        return money_words.cells("rule", money.of_effects([ArmsEffect(*arms, 100.0)]))[-1]

    with app.app_context(), force_locale("en"):
        assert shown(MIN_PEOPLE - 1) == ("—", "too few customers so far")
        assert shown(MIN_PEOPLE)[0] == "-100.0%"
