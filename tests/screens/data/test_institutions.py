"""The institutions screen: what rules and logs refer to is neither changed nor deleted by accident."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Approval, Institution, InstitutionDay
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from tests.conftest import Person

CONDITION = {"metric": "calls", "op": ">=", "value": 3, "window_days": 7}
CONFIG = {
    "institutions": [
        {"code": "NAMED", "name": "甲", "category": "bank", "region": "华东"},
        {"code": "FREE", "name": "乙", "category": "bank", "region": "华东"},
    ],
    "rules": [
        {"code": "R-BANK", "name": "银行", "conditions": [CONDITION | {"categories": ["bank"]}]},
        {"code": "R-NAMED", "name": "点名", "conditions": [CONDITION | {"institutions": ["NAMED"]}]},
        {"code": "R-NORTH", "name": "华北", "conditions": [CONDITION | {"regions": ["华北"]}]},
    ],
}


@pytest.fixture
def ids(app: Flask, session: Session) -> dict[str, int]:
    with app.app_context():
        apply_config(parse_config(CONFIG, "test"), "tester")
    return dict(session.execute(select(Institution.code, Institution.id)).tuples().all())


def test_only_what_nothing_refers_to_can_be_deleted(
    ids: dict[str, int], session: Session, login: Callable[..., Person]
) -> None:
    operator = login("DataOperator")
    page = operator.submit(f"/institutionview/delete/{ids['NAMED']}", follow_redirects=True).text
    assert "because the rules R-NAMED refer to it" in page
    day = InstitutionDay(day=dt.date(2026, 10, 1), institution="FREE", calls=5, source="x")
    session.add(day)
    session.commit()
    page = operator.submit(f"/institutionview/delete/{ids['FREE']}", follow_redirects=True).text
    assert "because it has calls on 1 days" in page
    session.delete(day)
    session.commit()
    operator.submit(f"/institutionview/delete/{ids['FREE']}")
    assert session.scalars(select(Institution.code)).all() == ["NAMED"]


def test_a_change_that_affects_rules_in_force_needs_a_second_person(
    ids: dict[str, int], session: Session, login: Callable[..., Person]
) -> None:
    operator, manager = login("DataOperator"), login("Manager", language="zh")
    path = f"/institutionview/edit/{ids['FREE']}"
    typed = {"name": "丙", "category": "bank", "region": "华东"}
    page = operator.get(path).text
    assert "R-BANK" in page
    assert "R-NORTH" not in page
    assert 'name="reason"' not in page
    operator.submit(path, typed)  # a name alone changes no rule's catch
    session.expire_all()
    stored = session.get_one(Institution, ids["FREE"])
    assert stored.name == "丙"
    moved = typed | {"name": "丁", "category": "micro_loan", "region": "华北"}
    page = operator.submit(path, moved).text
    assert "R-BANK, R-NORTH" in page
    assert 'name="reason"' in page
    assert "丁" in page
    session.expire_all()
    assert stored.category == "bank"
    operator.submit(path, moved | {"reason": "改组"})
    session.expire_all()
    assert (stored.name, stored.category, stored.region) == ("丁", "bank", "华东"), "a name needs no approval"
    approval = session.scalars(select(Approval)).one()
    shown = manager.get(f"/approvalview/show/{approval.id}").text
    assert "R-BANK、R-NORTH" in shown
    assert "华北" in shown
    manager.submit(f"/approvalview/approve/{approval.id}", {"note": ""})
    session.expire_all()
    assert (stored.name, stored.category, stored.region) == ("丁", "micro_loan", "华北")
    added = {"code": "NEW", "name": "新", "category": "bank", "region": "", "reason": "新签"}
    operator.submit("/institutionview/add", added)
    session.expire_all()
    new = session.scalars(select(Institution).where(Institution.code == "NEW")).one()
    assert new.category == "", "a new one counts for rules in force only once it is approved"
