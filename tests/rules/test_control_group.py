"""The universal control group: who belongs to it, whom it holds out, and what a new share changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import ControlMember, Customer, Hit
from app.outreach import settings as outreach_rules
from app.outreach.settings import OutreachSettings
from app.rules import control_group
from app.rules.control_group import ControlGroup
from app.rules.evaluate import evaluate_days
from tests import clock
from tests.conftest import Person, make_staff
from tests.rules.support import add_leads, apply_rule, deliver, id_hash

PEOPLE = range(1, 62)
DAY = dt.date(2026, 3, 11)
YEAR = clock.today().year


@pytest.fixture
def bank(app: Flask, session: Session, tmp_path: Path) -> Flask:
    add_leads(session, *PEOPLE)
    deliver(app, tmp_path / "logs", [(lead, "2026-03-10 10:00", "A") for lead in PEOPLE])
    return app


def evaluate(app: Flask) -> None:
    with app.app_context():
        evaluate_days(app.config["SETTINGS"], DAY, DAY)


def hold_out(app: Flask, percent: float) -> None:
    with app.app_context():
        outreach_rules.put_in_force(OutreachSettings(control_percent=percent), "x")
        db.session.commit()
        control_group.draw(app.config["SETTINGS"])


def members(app: Flask, percent: float, year: int = YEAR) -> set[int]:
    with app.app_context():
        group = ControlGroup(app.config["SETTINGS"], year)
        group.percent = percent
        return {lead for lead in PEOPLE if group.includes(id_hash(lead))}


def test_members_are_drawn_by_person_and_year_and_a_larger_share_keeps_them(
    bank: Flask,
    session: Session,
) -> None:
    stored = select(ControlMember.lead_id).where(ControlMember.year == YEAR)
    few, many = members(bank, 10), members(bank, 20)
    assert few < many
    assert len(many) < 30
    assert members(bank, 20, YEAR + 1) != many
    for percent, expected in ((20, many), (10, few), (20, many), (0, set())):
        hold_out(bank, percent)
        assert set(session.scalars(stored)) == expected
        session.rollback()


def test_their_hits_are_held_out_and_so_are_open_ones_that_nobody_works_on(
    bank: Flask,
    session: Session,
    login: Callable[..., Person],
) -> None:
    apply_rule(bank, code="R-1")
    evaluate(bank)
    many = members(bank, 20)
    working = min(many)
    owner = make_staff(session, "me", "Marketer")
    session.execute(update(Customer).where(Customer.id == working).values(owner_id=owner.id))
    session.execute(update(Hit).where(Hit.lead_id == working).values(status="in_progress"))
    session.commit()
    hold_out(bank, 20)
    held = select(Hit.lead_id).where(Hit.holdout)
    assert set(session.scalars(held)) == many - {working}
    apply_rule(bank, code="R-2")
    evaluate(bank)
    of_second = held.where(Hit.version.has(name="R-2"))
    with bank.app_context():
        group = ControlGroup(bank.config["SETTINGS"], 2026)
        in_2026 = {lead for lead in PEOPLE if group.includes(id_hash(lead))}
    assert set(session.scalars(of_second)) == in_2026
    hit = session.scalars(select(Hit).where(Hit.holdout, Hit.status == "waiting")).first()
    assert hit is not None
    refused: Any = login("Manager").submit(f"/hitview/action/claim/{hit.id}", follow_redirects=True).text
    assert "is in a holdout group and must not be contacted" in refused
