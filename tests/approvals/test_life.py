"""The life cycle of approvals on the screens: who may decide, exactly once, and what follows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app import approvals
from app.models import Approval, Rule, RuleCondition, RuleVersion
from tests import clock
from tests.access.world import World
from tests.conftest import Person

Logins = Callable[..., Person]


@pytest.fixture
def person(login: Callable[..., Person]) -> Logins:
    def find(name: str, role: str = "Manager") -> Person:
        return login(role, username=name, language="zh")

    return find


def submit(world: World, maker: Person, reason: str = "阈值更合适") -> int:
    answer = maker.submit(f"/ruleversionview/submit/{world.ids['draft']}", {"reason": reason})
    assert answer.status_code == 302, answer.text
    return int(answer.headers["Location"].rsplit("/", 1)[1])


def set_threshold(session: Session, world: World, value: int) -> None:
    mine = RuleCondition.version_id == world.ids["draft"]
    session.execute(update(RuleCondition).where(mine).values(value=value))


def status(session: Session, model: type[Approval] | type[RuleVersion] | type[Rule], key: int) -> str:
    session.rollback()
    return str(session.get_one(model, key, populate_existing=True).status)


def test_a_second_person_puts_a_rule_in_force(world: World, person: Logins, session: Session) -> None:
    set_threshold(session, world, 5)
    session.commit()
    maker, checker = (
        person("maker"),
        person("checker"),
    )
    asked = submit(world, maker)
    assert status(session, RuleVersion, world.ids["draft"]) == "submitted"
    page = checker.get(f"/approvalview/show/{asked}").text
    assert "阈值更合适" in page
    assert "活跃次数 ≥ 3 次" in page
    assert "活跃次数 ≥ 5 次" in page
    checker.submit(f"/approvalview/approve/{asked}", {"note": "同意"})
    assert status(session, Approval, asked) == "approved"
    assert status(session, RuleVersion, world.ids["draft"]) == "active"
    assert status(session, RuleVersion, world.ids["version"]) == "retired"
    decided = session.get_one(Approval, asked)
    assert (decided.requested_by, decided.decided_by, decided.note) == ("maker", "checker", "同意")


def test_nobody_decides_about_their_own(world: World, person: Logins, session: Session) -> None:
    maker = person("maker")
    asked = submit(world, maker)
    assert "/approvalview/approve/" not in maker.get(f"/approvalview/show/{asked}").text
    answer = maker.submit(f"/approvalview/approve/{asked}", {"note": ""}, follow_redirects=True)
    assert "不能审批自己" in answer.text
    assert status(session, Approval, asked) == "waiting"


def test_who_wrote_the_draft_does_not_decide_when_another_submits_it(
    world: World, person: Logins, session: Session
) -> None:
    session.execute(
        update(RuleVersion).where(RuleVersion.id == world.ids["draft"]).values(created_by="author")
    )
    session.commit()
    author, maker = (
        person("author"),
        person("maker"),
    )
    asked = submit(world, maker)
    author.submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, Approval, asked) == "waiting"


def test_rejected_it_is_a_draft_again_and_says_why(world: World, person: Logins, session: Session) -> None:
    maker, checker = (
        person("maker"),
        person("checker", "Admin"),
    )
    asked = submit(world, maker)
    checker.submit(f"/approvalview/reject/{asked}", {"note": ""})
    assert status(session, Approval, asked) == "waiting", "a rejection needs its reason"
    checker.submit(f"/approvalview/reject/{asked}", {"note": "门槛太低"})
    assert status(session, Approval, asked) == "rejected"
    assert status(session, RuleVersion, world.ids["draft"]) == "draft"
    assert "门槛太低" in maker.get(f"/approvalview/show/{asked}").text


def test_withdrawn_by_the_maker_only(world: World, person: Logins, session: Session) -> None:
    maker, checker = (
        person("maker"),
        person("checker"),
    )
    asked = submit(world, maker)
    checker.submit(f"/approvalview/action/withdraw/{asked}", {})
    assert status(session, Approval, asked) == "waiting"
    maker.submit(f"/approvalview/action/withdraw/{asked}", {})
    assert status(session, Approval, asked) == "withdrawn"
    assert status(session, RuleVersion, world.ids["draft"]) == "draft"


def test_what_changed_since_is_not_what_was_asked_for(world: World, person: Logins, session: Session) -> None:
    maker, checker = (
        person("maker"),
        person("checker"),
    )
    asked = submit(world, maker)
    set_threshold(session, world, 1)
    session.commit()
    answer = checker.submit(f"/approvalview/approve/{asked}", {"note": ""}, follow_redirects=True)
    assert "已发生变化" in answer.text
    assert status(session, Approval, asked) == "waiting"
    assert status(session, RuleVersion, world.ids["version"]) == "active"


def test_a_decision_is_made_once(world: World, person: Logins, session: Session) -> None:
    maker, one, two = (person(name) for name in ("maker", "one", "two"))
    asked = submit(world, maker)
    one.submit(f"/approvalview/approve/{asked}", {"note": ""})
    two.submit(f"/approvalview/reject/{asked}", {"note": "太晚"})
    assert status(session, Approval, asked) == "approved"
    assert status(session, RuleVersion, world.ids["draft"]) == "active"


def test_nobody_decided_in_time(app: Flask, world: World, person: Logins, session: Session) -> None:
    maker, checker = (
        person("maker"),
        person("checker"),
    )
    asked = submit(world, maker)
    late = clock.now() - dt.timedelta(minutes=1)
    session.execute(update(Approval).where(Approval.id == asked).values(expires_at=late))
    session.commit()
    checker.submit(f"/approvalview/approve/{asked}", {"note": ""})
    assert status(session, Approval, asked) == "waiting"
    with app.app_context():
        assert approvals.expire(clock.now()) == 1
    assert status(session, Approval, asked) == "expired"
    assert status(session, RuleVersion, world.ids["draft"]) == "draft"


def test_a_submitted_version_can_not_be_changed(world: World, person: Logins, engine: Engine) -> None:
    maker = person("maker")
    submit(world, maker)
    assert maker.get(f"/ruleversionview/edit/{world.ids['draft']}").status_code == 409
    answer = maker.submit(f"/ruleview/action/draft/{world.ids['rule']}", {}, follow_redirects=True)
    assert "等待审批" in answer.text


def test_going_back_is_asking_for_a_former_version(world: World, person: Logins, session: Session) -> None:
    maker, checker = (
        person("maker"),
        person("checker"),
    )
    checker.submit(f"/approvalview/approve/{submit(world, maker)}", {"note": ""})
    former = world.ids["version"]
    answer = maker.submit(f"/ruleversionview/submit/{former}", {"reason": "还是原来的好"})
    asked = int(answer.headers["Location"].rsplit("/", 1)[1])
    checker.submit(f"/approvalview/approve/{asked}", {"note": ""})
    session.expire_all()
    rule = session.get_one(Rule, world.ids["rule"])
    assert rule.active_version is not None
    assert rule.active_version.number == 3
    assert rule.active_version.conditions[0].value == session.get_one(RuleVersion, former).conditions[0].value
    assert session.scalars(select(RuleVersion.status).where(RuleVersion.id == former)).one() == "retired"
