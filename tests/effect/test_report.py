"""The effect of rules in people and money: equal to a slow count, with intervals that keep their promise."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.effect.report import Arm, RuleEffect
from app.models import Hit, Outcome, Outreach
from app.rules.proportion import Share, difference
from tests.effect.bank import TODAY, ZONE, Bank
from tests.thorough import share

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


@pytest.mark.parametrize("seed", share(range(40), 4))
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
        low, high = RuleEffect(one, other, 0.0).interval or (0.0, 0.0)
        covered += low <= effect <= high
    assert abs(covered / WORLDS - 0.95) <= 4 * math.sqrt(0.95 * 0.05 / WORLDS)


def test_the_return_has_an_interval() -> None:
    treated = Arm(people=1000, converted=100, amount=0, margin=10_000, squares=1_000_000)
    holdout = Arm(people=1000, converted=50, amount=0, margin=5_000, squares=500_000)
    effect = RuleEffect(treated, holdout, cost=1000)
    assert effect.caused == 5000
    assert effect.roi == 4
    # standard errors a person: √(90 / 999) and √(47.5 / 999), of yuan
    reach = 1.959963984540054 * math.sqrt((900_000 / 999 + 475_000 / 999) / 1000) * 1000 / 1000
    assert effect.roi_interval == pytest.approx((4 - reach, 4 + reach))
    assert RuleEffect(treated, Arm(), 1000).roi_interval is None
