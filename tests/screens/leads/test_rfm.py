"""RFM groups and the value of customers: equal to a slow count; every number is that of the list it opens."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import Lead, Outcome
from app.segments import rfm
from app.segments.value import year_to
from tests.conftest import Person
from tests.effect.bank import TODAY, Bank
from tests.screens.hits.test_workspace import rows

#: rows of the table of groups that say how one fifth is bounded and how many it has
NUMBER = re.compile(r'href="([^"]+)" data-leads="(\d+)"')
DAY = TODAY - dt.timedelta(days=3)


@pytest.fixture
def bank(app: Flask, session: Session) -> Bank:
    made = Bank(session, app.config["SETTINGS"], 7, leads=40)
    made.deliver()
    first = session.scalars(select(Outcome)).all()[0]
    first.on_date, first.margin = year_to(DAY)[0], 77
    session.scalars(select(Outcome)).all()[1].on_date = year_to(DAY)[0] - dt.timedelta(days=1)
    session.commit()
    return made


def purchases(session: Session) -> dict[int, list[Outcome]]:
    """What live leads bought in the twelve months to DAY."""
    first, last = year_to(DAY)
    found: dict[int, list[Outcome]] = {}
    for each in session.scalars(select(Outcome)):
        if each.lead.deleted_at is None and first <= each.on_date <= last:
            found.setdefault(each.lead_id, []).append(each)
    return found


def fifth(value: Any, values: list[Any]) -> int:
    """One more than the quintiles that are below the value."""
    ordered = sorted(values)
    edges = [ordered[-(-len(ordered) * part // 5) - 1] for part in range(1, 5)]
    return 1 + sum(value > edge for edge in edges)


def test_groups_are_the_slow_count(app: Flask, session: Session, bank: Bank) -> None:
    own = purchases(session)
    measured = {
        lead: (max(each.on_date for each in some), len(some), sum(each.amount for each in some))
        for lead, some in own.items()
    }
    columns = list(zip(*measured.values(), strict=True))
    expected = Counter(
        tuple(fifth(value, list(column)) for value, column in zip(values, columns, strict=True))
        for values in measured.values()
    )
    with app.app_context():
        table = rfm.groups(DAY, Lead.deleted_at.is_(None))
    names = [f"fifth_{name}" for name in rfm.MEASURES]
    found = {tuple(row[name] for name in names): row["people"] for _place, row in table.iterrows()}
    assert found == expected
    assert len({key[0] for key in found}) > 3
    value = sum(
        each.amount * each.product.margin_rate if each.margin is None else each.margin
        for some in own.values()
        for each in some
    )
    assert table["value"].sum() == value


def test_every_number_opens_as_many_leads_as_it_says(
    bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    boss, away = login("Manager", username="boss"), login("Marketer", branch=bank.branches["AWAY"])
    for person in (boss, away):
        page = person.get(f"/rfmview/groups?day={DAY}").text
        numbers = {unescape(url): int(n) for url, n in NUMBER.findall(page)}
        assert numbers
        for url, n in numbers.items():
            assert rows(person.get(url).text) == n, url
    page = boss.get(f"/rfmview/groups?day={DAY}").text
    total = max(int(n) for _url, n in NUMBER.findall(page))
    assert total == len(purchases(session))
    few = boss.get(f"/rfmview/groups?day={DAY}&money=5").text
    assert 0 < max(int(n) for _url, n in NUMBER.findall(few.split("<tbody>")[1])) < total
    chip = boss.get(unescape(NUMBER.findall(page)[0][0])).text
    assert "Recency 20" in chip
    for wrong in ("day=x", "money=6", "money=x"):
        for page in ("list/", "groups"):
            assert boss.get(f"/rfmview/{page}?{wrong}").status_code == 400
    for wrong in ("x", f"{DAY}~colour=1..2", f"{DAY}~times=1", f"{DAY}~amount=a..b", "2026-01-01~last=1..2"):
        assert boss.get(f"/leadview/list/?_flt_0_bought={wrong}").status_code == 400


def test_the_value_of_a_customer_is_on_its_page_and_on_the_matrix(
    app: Flask, session: Session, login: Callable[..., Person]
) -> None:
    bank = Bank(session, app.config["SETTINGS"], 7, leads=10)
    boss = login("Manager", language="en")
    leads = {lead: lead.id for lead in session.scalars(select(Lead).where(Lead.deleted_at.is_(None)))}

    def page(lead: int) -> str:
        return str(boss.get(f"/leadview/show/{lead}").text)

    first = next(iter(leads.values()))
    assert "bought nothing" not in page(first)
    assert "Hits in 90 days →" in boss.get("/matrixview/list/").text
    bank.deliver()
    session.commit()
    with app.app_context():
        sold = list(db.session.scalars(select(Outcome)))
        of = {lead: [each for each in sold if each.lead_id == lead] for lead in leads.values()}
        values = {
            lead: sum(each.amount * each.product.margin_rate for each in own) for lead, own in of.items()
        }
    for lead, own in of.items():
        said = f"¥{values[lead]:,.2f}: the margin of {len(own)} purchases" if own else "¥0.00: bought nothing"
        assert said in page(lead)
    assert len(set(values.values())) > 2
    middle = sorted(values.values())[-3]
    matrix = boss.get(f"/matrixview/list/?x_at={middle}&y_at=0").text
    assert "Margin in twelve months, in yuan →" in matrix
    assert f'<b class="num">{sum(each >= middle for each in values.values())}</b>' in matrix
