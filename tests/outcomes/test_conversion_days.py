"""Conversion days are a setting: hits, counts and reports follow it, those there are after a recount."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.cli.database import upgrade_database
from app.extensions import db
from app.hits import counts
from app.hits.counts import HitFilter
from app.jobs import daily, ticker
from app.models import Hit, OutreachSetting, Staff
from app.outreach import settings as outreach_rules
from app.outreach.settings import OutreachSettings
from app.rules import conversions
from tests.conftest import Person
from tests.outcomes.conftest import Bank
from tests.outcomes.test_hits import World, day

RECOUNTING = "conversions are being counted again"


def put_in_force(app: Flask, days: int) -> None:
    with app.app_context():
        outreach_rules.put_in_force(OutreachSettings(conversion_days=days), "x")
        db.session.commit()


def converted(session: Session) -> list[int]:
    """The days from hit to outcome of those hits that count as converted."""
    session.expire_all()
    rows = session.execute(select(Hit.outcome_on - Hit.hit_date).where(Hit.converted).order_by(Hit.id))
    return [int(days) for (days,) in rows]


def test_other_days_count_hits_again_and_those_that_come(
    bank: Bank, app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    boss = login("Manager", language="en", username="boss")
    world = World(session)
    for lead, apart in enumerate((10, 11, 30, 31)):
        world.hit(lead, 0, 0)
        world.outcomes([(lead, "DEP", apart)])
    session.commit()
    assert converted(session) == [10, 11, 30]

    def report() -> int:
        done = bank.cli("effect", "report", "--from", day(0), "--to", day(0), "--json")
        return int(json.loads(done.stdout)["rules"]["R-1"]["treated"]["converted"])

    def page() -> str:
        return str(boss.get(f"/effectview/figures?first={day(0)}&last={day(0)}").text)

    assert report() == 3
    put_in_force(app, 30)
    with app.app_context():
        assert not conversions.recounting(), "nothing changes"
    put_in_force(app, 10)
    assert RECOUNTING in page()
    assert RECOUNTING in boss.get("/workspaceview/list/").text
    assert report() == 1, "the report counts what was bought, not the hits' marks"
    with app.app_context():
        asked = next(step for step in ticker.STEPS if step.name == "conversions")
        assert not asked.daily
        daily.conversions(0)
        assert not conversions.recounting()
        user = db.session.scalars(select(Staff).where(Staff.username == "boss")).one()
        everything = HitFilter(user=user)
        assert counts.count(everything, counts.KEYS) == counts.live(everything, counts.KEYS)
        assert counts.count(everything, ("converted",)) == {(True,): 1, (False,): 3}
    assert converted(session) == [10]
    assert RECOUNTING not in page()
    assert "10 days later" in boss.get("/effectview/list/").text
    world.hit(4, 0, 5)
    world.outcomes([(4, "DEP", 15)])
    world.hit(4, 0, 4)
    session.commit()
    assert converted(session) == [10, 10], "11 days are too many for the hit of the fourth day"
    put_in_force(app, 366)
    with app.app_context():
        daily.conversions(0)
    assert converted(session) == [10, 11, 30, 31, 10, 11]


def test_a_filled_database_keeps_its_conversions_both_ways(bank: Bank, app: Flask, session: Session) -> None:
    world = World(session)
    for lead, apart in enumerate((0, 30, 31)):
        world.hit(lead, 0, 0)
        world.outcomes([(lead, "DEP", apart)])
    session.commit()
    put_in_force(app, 5)
    with app.app_context():
        daily.conversions(0)
    assert converted(session) == [0]
    session.close()
    with app.app_context():
        downgrade(revision="0059")
        there = db.session.scalars(text("SELECT converted FROM hit ORDER BY id")).all()
        assert there == [True, True, False]
        db.session.rollback()
        upgrade_database(app)
        assert db.session.scalar(select(OutreachSetting.recounted_at)) is not None
        assert db.session.scalars(text("SELECT converted FROM hit ORDER BY id")).all() == there
        assert conversions.days() == 30, "the version before knew no other days"
