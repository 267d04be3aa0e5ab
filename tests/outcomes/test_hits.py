"""Which hits outcomes convert: kept by the database whoever writes, and counted."""

from __future__ import annotations

import datetime as dt
import json
import threading
import uuid
from typing import Any

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.orm import Session

from app.effect import money
from app.effect.comparison import compare
from app.effect.funnel import EffectFilters, count_funnel
from app.extensions import db
from app.hits import counts
from app.hits.counts import HitFilter
from app.models import Hit, Lead, Outcome, Product, RuleVersion, Staff
from tests.conftest import make_staff
from tests.outcomes.conftest import Bank
from tests.thorough import examples

FIRST = dt.date(2026, 6, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


class World:
    """Hits and outcomes of five leads, as the database has them and as plain tuples."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.leads = list(session.scalars(select(Lead.id).order_by(Lead.lead_no)))
        self.products = dict(session.execute(select(Product.code, Product.id)).tuples().all())
        query = select(RuleVersion.id, RuleVersion.rule_id, RuleVersion.products)
        self.versions = session.execute(query.order_by(RuleVersion.id)).all()

    def hit(self, lead: int, version: int, on: int) -> None:
        row = self.versions[version]
        self.session.execute(
            text(
                "INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence,"
                " last_met_on, made_on) VALUES (:rule, :version, :lead, :day, '{}', 1, 'A', '{}', :day, :day)"
                " ON CONFLICT DO NOTHING"
            ),
            {"rule": row.rule_id, "version": row.id, "lead": self.leads[lead], "day": day(on)},
        )

    def outcomes(self, rows: list[tuple[int, str, int]]) -> None:
        values = [
            {"lead_id": self.leads[lead], "product_id": self.products[code], "on_date": day(on), "amount": 1}
            | {"outcome_id": uuid.uuid4().hex}
            for lead, code, on in rows
        ]
        if values:
            self.session.execute(insert(Outcome), values)

    def expected(self) -> list[tuple[int, dt.date | None, bool]]:
        products = {row.id: row.products for row in self.versions}
        codes = {key: code for code, key in self.products.items()}
        told = [
            (row.lead_id, codes[row.product_id], row.on_date) for row in self.session.scalars(select(Outcome))
        ]
        result = []
        for hit in self.session.scalars(select(Hit).order_by(Hit.id)):
            counted = products[hit.version_id]
            dates = [
                on
                for lead, code, on in told
                if lead == hit.lead_id and on >= hit.hit_date and (not counted or code in counted)
            ]
            first = min(dates, default=None)
            result.append((hit.id, first, first is not None and (first - hit.hit_date).days <= 30))
        return result

    def kept(self) -> list[tuple[int, dt.date | None, bool]]:
        query = select(Hit.id, Hit.outcome_on, Hit.converted).order_by(Hit.id)
        return [tuple(row) for row in self.session.execute(query)]  # type: ignore[misc]


_lead, _on = st.integers(0, 4), st.integers(0, 80)
_row = st.tuples(_lead, st.sampled_from(["LOAN-C", "DEP"]), _on)
_step = st.one_of(
    st.tuples(st.just("hit"), st.tuples(_lead, st.integers(0, 1), _on)),
    st.tuples(st.just("outcomes"), st.lists(_row, max_size=4)),
    st.tuples(st.just("move"), st.tuples(_lead, _lead, _on)),
    st.tuples(st.just("drop"), _lead),
)


def take(world: World, name: str, value: Any) -> None:
    session, leads = world.session, world.leads
    if name == "hit":
        world.hit(*value)
    elif name == "outcomes":
        world.outcomes(value)
    elif name == "move":
        old, new, on = value
        moved = update(Outcome).where(Outcome.lead_id == leads[old])
        session.execute(moved.values(lead_id=leads[new], on_date=day(on)))
    else:
        session.execute(delete(Outcome).where(Outcome.lead_id == leads[value]))
    session.expire_all()


def test_hits_follow_outcomes_whatever_comes_first(bank: Bank, app: Flask, session: Session) -> None:
    user = make_staff(session, "boss", "Manager")

    @given(st.lists(_step, min_size=1, max_size=12))
    @examples(60, 800)
    def check(steps: list[tuple[str, Any]]) -> None:
        with app.app_context():
            world = World(db.session())
            for name, value in steps:
                take(world, name, value)
                assert world.kept() == world.expected(), name
            hits = counts.HitFilter(user=db.session.get(Staff, user.id))
            assert counts.count(hits, counts.KEYS) == counts.live(hits, counts.KEYS)
            db.session.rollback()

    check()


def test_a_hit_and_its_outcome_at_the_same_time_do_not_miss_each_other(
    bank: Bank, app: Flask, session: Session, engine: Engine
) -> None:
    """The evaluation of a date and a delivery in two transactions: the second one waits for the first."""
    world = World(session)
    told = {"lead_id": world.leads[0], "product_id": world.products["DEP"], "on_date": day(3), "amount": 1}
    world.hit(0, 0, 1)
    done = threading.Event()

    def deliver() -> None:
        with engine.begin() as connection:
            connection.execute(insert(Outcome), [{"outcome_id": "A", **told}])
        done.set()

    thread = threading.Thread(target=deliver)
    thread.start()
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'hit_gate'::regclass")
    while not done.is_set() and not session.scalar(waiting):
        pass
    assert not done.is_set()
    session.commit()
    thread.join()
    assert world.kept()[0][1:] == (day(3), True)


def test_a_late_outcome_moves_the_numbers_of_its_hit_date(app: Flask, bank: Bank, session: Session) -> None:
    world = World(session)
    for lead, on in ((0, 0), (1, 0), (2, 40), (3, 40)):
        world.hit(lead, 1, on)
    session.execute(update(Hit).where(Hit.lead_id.in_((world.leads[1], world.leads[3]))).values(holdout=True))
    chief = make_staff(session, "chief", "Manager").id
    session.commit()

    def converted(on: int) -> list[int]:
        asked = ("effect", "report", "--from", day(on), "--to", day(on), "--json")
        rule = json.loads(bank.cli(*asked).stdout)["rules"]["R-LOAN"]
        told = [rule[arm]["converted"] for arm in ("treated", "holdout")]
        with app.app_context():
            filters = EffectFilters(HitFilter(db.session.get_one(Staff, chief), first=day(on), last=day(on)))
            page, of_rule = count_funnel(filters).total.converted, money.by_rule(filters)
            [compared] = [each for each in compare(filters) if each.version]
        assert [compared.marketed.part, compared.held_out.part] == told
        arms = [arm for each in of_rule.values() for arm in (each.treated, each.holdout)]
        assert [(arm.converted, arm.amount) for arm in arms] == [(n, 5.0 * n) for n in told]
        assert page == told[0]
        return told

    bank.rows(("A", "L1000", "DEP", day(2), "5"), ("B", "L1003", "LOAN-C", day(70), "5"))
    assert (converted(0), converted(40)) == ([0, 0], [0, 1])
    bank.rows(("C", "L1001", "LOAN-C", day(30), "5"), ("D", "L1000", "LOAN-C", day(31), "5"))
    assert (converted(0), converted(40)) == ([0, 1], [0, 1])
    bank.rows(("D", "L1000", "LOAN-C", day(0), "5"))
    assert (converted(0), converted(40)) == ([1, 1], [0, 1])
