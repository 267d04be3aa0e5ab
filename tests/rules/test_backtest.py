"""Back-tests: exact results against a brute force, and their screens."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.jobs import backtests, ticker
from app.jobs.leases import MAX_ATTEMPTS
from app.models import Backtest, Hit, Outcome, Product, Rule, RuleVersion
from app.rules import backtest
from app.rules.backtest import DATES_PER_PASS, BacktestPlan, run, thresholds
from app.rules.definition import RuleDef
from tests import clock
from tests.conftest import Person
from tests.rules.brute import (
    DAY0,
    LEADS,
    Event,
    clear,
    deliver,
    events,
    fits,
    met,
    put_in_force,
    rules,
)
from tests.rules.support import add_leads, apply_rule, calls
from tests.rules.support import deliver as deliver_calls
from tests.thorough import examples

FIRST, LAST = DAY0 + dt.timedelta(3), DAY0 + dt.timedelta(11)
#: lead → local date of its conversion
converted = st.dictionaries(
    st.integers(1, LEADS), st.integers(0, 18).map(lambda n: DAY0 + dt.timedelta(n)), max_size=LEADS
)


def figures(
    rule: dict[str, Any], seen: list[Event], conversions: dict[int, dt.date], after: int, earliest: int = 1
) -> Any:
    """Return the hits by date, the leads hit, and the leads converted in time, by brute force."""
    hits: list[tuple[int, dt.date]] = []
    last: dict[int, dt.date] = {}
    for day in BacktestPlan(FIRST, LAST, after).days:
        for lead in (each for each in range(1, LEADS + 1) if fits(rule["lead_filter"], each)):
            own = [e for e in seen if e.lead == lead]
            waited = lead not in last or (day - last[lead]).days >= rule["cooldown_days"]
            if waited and met(rule, own, day) is not None:
                last[lead] = day
                hits.append((lead, day))
    return counted(hits, conversions, after, earliest)


def counted(
    hits: list[tuple[int, dt.date]], conversions: dict[int, dt.date], after: int, earliest: int = 1
) -> dict[str, int]:
    """Return the figures of hits; a conversion counts from ``earliest`` to ``after`` days later."""
    won = {
        lead
        for lead, day in hits
        if lead in conversions and earliest <= (conversions[lead] - day).days <= after
    }
    return {"hits": len(hits), "leads": len({lead for lead, _day in hits}), "converted": len(won)}


def convert(session: Session, conversions: dict[int, dt.date]) -> None:
    """Store for each lead a hit of another rule that converted at noon of the local date."""
    rule = session.scalars(select(Rule).where(Rule.code == "OTHER")).one()
    for lead, day in conversions.items():
        at = dt.datetime.combine(day, dt.time(12), dt.timezone(dt.timedelta(hours=8)))
        session.add(
            Hit(
                rule_id=rule.id, version_id=rule.active_version_id, lead_id=lead, hit_date=day, values=[1],
                score=1, grade="A", status="converted", converted_at=at, evidence={}, last_met_on=day,
                made_on=day,
            )
        )  # fmt: skip
    session.commit()


def tell(session: Session, bought: dict[int, dt.date], other: dict[int, dt.date]) -> None:
    """Store what leads bought of the product P, and of another one."""
    products = [Product(code=code, name=code, line="loan", updated_by="x") for code in ("P", "OTHER")]
    session.add_all(products)
    session.flush()
    for product, told in zip(products, (bought, other), strict=True):
        for lead, day in told.items():
            key = f"{product.code}-{lead}"
            row = {"outcome_id": key, "lead_id": lead, "product_id": product.id, "on_date": day, "amount": 1}
            session.add(Outcome(**row))
    session.commit()


@given(events, rules, rules, converted, st.integers(1, 9), st.integers(0, 2), st.booleans())
@examples(4, 16)
def test_a_backtest_counts_what_would_have_happened(
    app: Flask,
    each_engine: None,
    engine: Engine,
    session: Session,
    leads: None,
    seen: list[Event],
    rule: dict[str, Any],
    in_force: dict[str, Any],
    conversions: dict[int, dt.date],
    after: int,
    place: int,
    told: bool,
) -> None:
    clear(app, engine)
    products, earliest = (["P"], 0) if told else ([], 1)
    session.expire_all()
    place %= len(rule["conditions"])
    definition = RuleDef.model_validate({"code": "R", "name": "R", "products": products, **rule})
    active = RuleDef.model_validate({"code": "R", "name": "R", **in_force})
    with app.app_context(), tempfile.TemporaryDirectory() as folder:
        put_in_force(rule, "OTHER")
        if told:
            # What was marked, and what else was bought, does not count.
            convert(session, dict.fromkeys(range(1, LEADS + 1), FIRST))
            tell(session, conversions, dict.fromkeys(range(1, LEADS + 1), FIRST))
        else:
            convert(session, conversions)
        deliver(app, Path(folder), seen)
        result = run(app.config["SETTINGS"], definition, active, BacktestPlan(FIRST, LAST, after, place))
    assert (LAST - FIRST).days + 1 > DATES_PER_PASS
    assert result["draft"] == figures(rule, seen, conversions, after, earliest)
    assert result["active"] == figures(in_force, seen, conversions, after, earliest)
    assert sum(result["by_day"].values()) == result["draft"]["hits"]
    for point in result["curve"]:
        varied = [dict(each) for each in rule["conditions"]]
        varied[place]["value"] = point["threshold"]
        assert {k: v for k, v in point.items() if k != "threshold"} == figures(
            {**rule, "conditions": varied}, seen, conversions, after, earliest
        )
    active_days = [
        (e.lead, e.at.date())
        for e in seen
        if FIRST <= e.at.date() <= LAST and fits(rule["lead_filter"], e.lead)
    ]
    base = counted(active_days, conversions, after, earliest)
    admitted = sum(fits(rule["lead_filter"], lead) for lead in range(1, LEADS + 1))
    assert result["base"] == {
        "everybody": admitted,
        "leads": base["leads"],
        "converted": base["converted"],
    }


@pytest.mark.parametrize("value", [0, 1, 3, 10, 57, 1000])
def test_the_curve_is_around_the_present_threshold(value: int) -> None:
    tried = thresholds(value)
    assert value in tried
    assert len(tried) <= 13
    assert tried[0] <= max(value, 1)
    assert tried[-1] > value
    assert max(thresholds(3, 5)) == 5


@pytest.fixture
def bank(app: Flask, session: Session, tmp_path: Path) -> Flask:
    """Ten leads with as many calls on 10 March as their number; 9 and 10 convert a week later."""
    add_leads(session, *range(1, 11))
    seen = [(n, f"2026-03-10 {hour:02d}:00", "A") for n in range(1, 11) for hour in range(n)]
    deliver_calls(app, tmp_path / "logs", seen)
    apply_rule(app, code="OTHER")
    convert(session, {lead: dt.date(2026, 3, 17) for lead in (9, 10)})
    apply_rule(app, calls(value=3), code="R")
    apply_rule(app, calls(value=8), code="R")
    return app


FORM = {"first": "2026-03-05", "last": "2026-03-12", "days_after": 14, "condition": 0}


def version(session: Session, status: str = "active") -> RuleVersion:
    query = select(RuleVersion).join(Rule, Rule.id == RuleVersion.rule_id)
    return session.scalars(query.where(Rule.code == "R", RuleVersion.status == status)).one()


def start(client: Person, session: Session, status: str = "retired", **form: Any) -> Any:
    return client.submit(f"/ruleversionview/backtest/{version(session, status).id}", {**FORM, **form})


def work(app: Flask, row: Backtest) -> None:
    """Run the worker."""
    with app.app_context():
        backtests.run(row.id)


def words(client: Person, row: Backtest) -> str:
    html = client.get(f"/backtestview/show/{row.id}").text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_manager_tries_a_version_and_reads_the_figures(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    answer = start(manager, session)
    row = session.scalars(select(Backtest)).one()
    assert answer.headers["Location"].endswith(f"/backtestview/show/{row.id}")
    assert manager.get(f"/backtestview/progress/{row.id}").get_json()["done"] is False
    work(bank, row)
    session.refresh(row)
    assert row.status == "done"
    assert row.result is not None
    assert (
        row.result["draft"] == {"hits": 16, "leads": 8, "converted": 2} or row.result["draft"]["leads"] == 8
    )
    state = manager.get(f"/backtestview/progress/{row.id}").get_json()
    assert (state["done"], state["progress"]) == (True, 100)
    assert "8 leads, 2 of them converted (25.0%)" in state["summary"]
    text = words(manager, row)
    assert "≥ 3 this version" in text
    assert "25.0% 7.1% – 59.1% 1.25×" in text
    assert "In force (v2)" in text
    assert "No clear difference from the base" in text
    assert row.result["active"]["converted"] == 2
    assert "changed after" not in text
    version(session, "retired").cooldown_days = 9
    session.commit()
    assert "changed after" in words(manager, row)


def test_who_may_read_and_who_may_start(bank: Flask, session: Session, login: Callable[..., Person]) -> None:
    start(login("Manager"), session)
    row = session.scalars(select(Backtest)).one()
    assert login("Auditor").get(f"/backtestview/show/{row.id}").status_code == 200
    assert start(login("Auditor"), session).status_code == 403
    assert login("Marketer").get(f"/backtestview/show/{row.id}").status_code == 403


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"first": "2026-03-13"}, "after the last one"),
        ({"first": "2025-03-13"}, "at most 92 days"),
        ({"last": "2999-01-01", "first": "2998-12-31"}, "not complete"),
        ({"first": "2026-01-01", "last": "2026-01-05"}, "no call logs for these days"),
        ({"days_after": "0"}, "Number must be between 1 and 90"),
        ({"condition": "7"}, "Not a valid choice"),
        ({"first": "gestern"}, "Not a valid date value"),
    ],
)
def test_what_can_not_be_tried_is_refused_beside_the_field(
    bank: Flask, session: Session, login: Callable[..., Person], form: dict[str, str], said: str
) -> None:
    assert said in unescape(start(login("Manager"), session, **form).text)
    assert session.scalars(select(Backtest)).all() == []


def test_a_version_without_conditions_has_nothing_to_try(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    empty = version(session, "retired")
    empty.conditions.clear()
    session.commit()
    assert login("Manager").get(f"/ruleversionview/backtest/{empty.id}").status_code == 409


def test_a_cancelled_one_stops_between_two_queries(
    bank: Flask, session: Session, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = login("Manager")
    start(manager, session)
    row = session.scalars(select(Backtest)).one()
    real, looked = backtest.history.values_by_date, []

    def cancel_after_the_first(*args: Any, **kwargs: Any) -> Any:
        looked.append(1)
        manager.submit(f"/backtestview/action/cancel/{row.id}")
        return real(*args, **kwargs)

    monkeypatch.setattr(backtest.history, "values_by_date", cancel_after_the_first)
    work(bank, row)
    session.refresh(row)
    assert (row.status, row.result, len(looked)) == ("cancelled", None, 1)
    work(bank, row)
    assert len(looked) == 1
    again = manager.submit(f"/backtestview/action/cancel/{row.id}", follow_redirects=True)
    assert "no longer in progress" in again.text


def test_one_that_lost_its_worker_is_made_after_all(
    bank: Flask, session: Session, redis: Redis, login: Callable[..., Person]
) -> None:
    start(login("Manager"), session)
    redis.flushdb()
    row = session.scalars(select(Backtest)).one()
    row.status = "running"
    session.commit()
    with bank.app_context():
        ticker.tick(clock.now())
    queued = Queue("default", connection=redis, serializer=JSONSerializer).jobs
    assert ("app.jobs.backtests.run", (row.id,)) in [(job.func_name, tuple(job.args)) for job in queued]
    work(bank, row)
    session.refresh(row)
    assert row.status == "done"


def test_one_that_kills_its_worker_every_time_is_given_up(
    bank: Flask, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager")
    start(manager, session)
    row = session.scalars(select(Backtest)).one()
    row.status, row.attempts = "running", MAX_ATTEMPTS
    session.commit()
    work(bank, row)
    session.refresh(row)
    assert (row.status, row.result) == ("failed", None)
    assert "interrupted 3 times" in words(manager, row)


def test_a_failure_says_why(bank: Flask, session: Session, login: Callable[..., Person]) -> None:
    manager = login("Manager")
    start(manager, session)
    version(session, "retired").lead_filter = {"tags": ["消失"]}
    session.commit()
    row = session.scalars(select(Backtest)).one()
    work(bank, row)
    session.refresh(row)
    assert row.status == "failed"
    assert "消失" in words(manager, row)
