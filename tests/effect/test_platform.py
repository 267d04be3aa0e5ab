"""What the universal control group measures: equal to a slow count, on the effect page, in row scope."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.effect import platform
from app.effect.means import difference
from app.extensions import db
from app.hits.counts import HitFilter
from app.models import ControlMember, Lead, Outcome, Outreach, OutreachSetting, Staff
from app.outreach import settings as outreach_rules
from app.outreach.settings import OutreachSettings
from app.rules import control_group
from tests import clock
from tests.conftest import Person
from tests.effect.bank import TODAY, ZONE, Bank


def hold_out(app: Flask, session: Session, percent: float, began: dt.date) -> None:
    """Put a share in force on a day, and draw the group."""
    with app.app_context():
        outreach_rules.put_in_force(OutreachSettings(control_percent=percent), "x")
        db.session.commit()
        control_group.draw(app.config["SETTINGS"])
    at = dt.datetime.combine(began, dt.time(9), ZONE)
    session.execute(update(OutreachSetting).where(OutreachSetting.status == "active").values(activated_at=at))
    session.commit()


def test_the_group_is_compared_with_everybody_else_since_it_began(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    bank = Bank(session, app.config["SETTINGS"], 5, leads=80)
    boss = login("Manager", language="en", username="boss")
    first, began = (max(TODAY - dt.timedelta(days=days), dt.date(TODAY.year, 1, 1)) for days in (12, 6))

    def page(person: Person = boss) -> str:
        return str(person.get(f"/effectview/platform?first={first}&last={TODAY}").text)

    assert "No outcomes have been delivered" in page()
    bank.deliver()
    assert "The share of the universal control group is 0" in page()
    assert "<table" not in page()
    hold_out(app, session, 20, began)
    with app.app_context():
        user = db.session.scalars(select(Staff).where(Staff.username == "boss")).one()
        [found] = platform.measure(HitFilter(user, first=first, last=TODAY))
    assert (found.first, found.last) == (began, TODAY)
    others, group = found.effect.treated, found.effect.holdout
    members = set(session.scalars(select(ControlMember.lead_id)))
    live = set(session.scalars(select(Lead.id).where(Lead.deleted_at.is_(None))))
    sold = [each for each in session.scalars(select(Outcome)) if began <= each.on_date <= TODAY]
    for arm, people in ((group, live & members), (others, live - members)):
        own = [each for each in sold if each.lead_id in people]
        assert (arm.people, arm.converted) == (len(people), len({each.lead_id for each in own}))
        assert arm.amount == float(sum(each.amount for each in own))
        assert arm.people > 5
    spent = session.execute(select(Outreach.lead_id, Outreach.sent_at, Outreach.cost)).tuples()
    costs = [
        float(cost or 0)
        for lead, at, cost in spent
        if at and lead in live and began <= at.astimezone(ZONE).date() <= TODAY
    ]
    assert sum(costs)
    assert found.effect.cost == pytest.approx(sum(costs))
    assert found.effect.amount == difference(others.amounts, group.amounts)
    assert f"{group.converted} / {group.people}" in page()
    heads = re.findall(r'<th scope="col"[^>]*>([^<]+)', page())
    assert heads[:2] == ["Dates", "More conversions per 100"], "what phones show first"
    away = login("Marketer", branch=bank.branches["AWAY"], username="away")
    ours = set(session.scalars(select(Lead.id).where(Lead.branch_id == bank.branches["AWAY"].id)))
    assert f"/ {len(ours & live - members)}<" in page(away)


def test_a_group_begins_when_its_share_is_above_0_again(app: Flask, session: Session) -> None:
    today = clock.today()
    for days, percent in ((40, 5), (30, 10), (20, 0), (10, 5)):
        hold_out(app, session, percent, today - dt.timedelta(days=days))
    with app.app_context():
        assert control_group.since() == [today - dt.timedelta(days=days) for days in (40, 10)]
