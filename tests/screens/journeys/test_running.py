"""Journeys paused and stopped, versions put in force, moved to and tried out, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.extensions import db
from app.journeys import canary, execution, moves
from app.journeys.definition import JourneyDef
from app.journeys.versions import add_version
from app.models import Approval, Journey, JourneyCanary, JourneyEnrolment, JourneyStop, JourneyVersion
from tests.conftest import Person
from tests.journeys.bank import Bank
from tests.journeys.conftest import bank  # noqa: F401
from tests.journeys.test_moves import ONE, TWO
from tests.journeys.test_past import at, on


@pytest.fixture
def live(bank: Bank) -> Bank:  # noqa: F811
    bank.apply(journeys=[ONE])
    for number in range(4):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    bank.live(at(on(2)))
    return bank


def the_journey(live: Bank) -> Journey:
    live.session.expire_all()
    return live.session.scalars(select(Journey)).one()


def draft(live: Bank, content: dict[str, Any]) -> int:
    with live.app.app_context():
        row = db.session.scalars(select(Journey)).one()
        version = add_version(row, JourneyDef.model_validate(content), "maker")
        db.session.commit()
        return version.id


def test_a_journey_is_paused_and_resumed_with_who_and_why(live: Bank, login: Callable[..., Person]) -> None:
    person, key = login("Manager", username="boss"), the_journey(live).id
    assert f"/journeyview/pause/{key}" in person.get(f"/journeyview/show/{key}").text
    assert "field is required" in person.submit(f"/journeyview/pause/{key}", {"reason": ""}).text
    person.submit(f"/journeyview/pause/{key}", {"reason": "客户<投诉>"})
    shown = person.get(f"/journeyview/show/{key}").text
    assert "This journey is paused" in shown
    assert "客户&lt;投诉&gt;" in shown
    assert the_journey(live).status == "paused"
    assert (
        "is not running"
        in person.submit(f"/journeyview/pause/{key}", {"reason": "又"}, follow_redirects=True).text
    )
    assert "0 customers" in person.get(f"/journeyview/resume/{key}").text
    person.submit(f"/journeyview/resume/{key}", {"hours": "5"})
    assert the_journey(live).status == "active"
    stop = live.session.scalars(select(JourneyStop)).one()
    assert (stop.stopped_by, stop.ended_by, stop.hours) == ("boss", "boss", 5)


def test_only_a_journey_that_was_never_in_force_is_offered_for_deletion(
    live: Bank, login: Callable[..., Person]
) -> None:
    person, key = login("Manager"), the_journey(live).id
    with live.app.app_context():
        fresh = Journey(code="J-NEW", name="新")
        db.session.add(fresh)
        add_version(fresh, JourneyDef.model_validate({**ONE, "code": "J-NEW", "name": "新"}), "maker")
        db.session.commit()
        drafted = fresh.id
    shown = person.get("/journeyview/list/").text
    assert f"/journeyview/delete/{drafted}" in shown
    assert f"/journeyview/delete/{key}" not in shown
    assert f"/journeyview/delete/{key}" not in person.get(f"/journeyview/show/{key}").text


def test_the_switch_of_all_journeys_is_told_on_their_pages(live: Bank, login: Callable[..., Person]) -> None:
    person, key = login("Manager", language="zh"), the_journey(live).id
    version = the_journey(live).active_version_id
    assert "停止所有旅程" in person.get("/journeyview/list/").text
    person.submit("/journeyview/stop", {"reason": "网关异常"})
    enrolment = live.session.scalars(select(JourneyEnrolment.id)).first()
    for page in (
        "/journeyview/list/",
        f"/journeyview/show/{key}",
        f"/journeyversionview/show/{version}",
        f"/enrolmentview/show/{enrolment}",
    ):
        text = person.get(page).text
        assert "旅程总开关已关闭" in text, page
        assert "网关异常" in text, page
    person.submit("/journeyview/release", {"hours": "2"})
    assert "旅程总开关已关闭" not in person.get("/journeyview/list/").text
    marketer = login("Marketer")
    assert "/journeyview/stop" not in marketer.get("/journeyview/list/").text


def test_a_version_is_submitted_with_a_map_and_its_counts(live: Bank, login: Callable[..., Person]) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    old, new = the_journey(live).active_version_id, draft(live, TWO)
    page = maker.get(f"/journeyversionview/submit/{new}").text
    assert "Under way on v1: 4 customers" in page
    assert "2 · Wait 72 hours: 4 customers" in page
    fields = {f"move_{old}": "y", f"to_{old}_1": "last", f"to_{old}_2": "-", "hours": "3", "reason": "改"}
    maker.submit(f"/journeyversionview/submit/{new}", fields)
    request = live.session.scalars(select(Approval)).one()
    last = "3 · SMS “短信”"
    assert [each[1:] for each in request.changes["en"]][-1] == ["2 · Wait 72 hours: 4 customers", last]
    assert request.payload["moves"][0]["hours"] == 3
    checker.submit(f"/approvalview/approve/{request.id}", {"note": ""})
    with live.app.app_context():
        execution.work()
        version = db.session.get_one(JourneyVersion, new)
        assert (version.status, moves.standing(version)) == ("active", {"last": 4})
    assert "/move/" not in maker.get(f"/journeyversionview/show/{new}").text


def test_customers_who_stayed_are_moved_later_by_a_request(live: Bank, login: Callable[..., Person]) -> None:
    maker = login("Manager", username="maker")
    login("Manager", username="checker")
    old, new = the_journey(live).active_version_id, draft(live, TWO)
    with live.app.app_context():
        canary.publish(db.session.get_one(JourneyVersion, new), "maker")
        db.session.commit()
    assert f"/journeyversionview/move/{new}" in maker.get(f"/journeyversionview/show/{new}").text
    refused = maker.submit(f"/journeyversionview/move/{new}", {"reason": "迁"}, follow_redirects=True)
    assert "Nobody is to be moved" in refused.text
    maker.submit(f"/journeyversionview/move/{new}", {"reason": "迁", f"move_{old}": "y"})
    request = live.session.scalars(select(Approval)).one()
    assert (request.kind, request.payload["moves"][0]["from"]) == ("journey_move", old)


def test_a_version_is_tried_out_widened_and_withdrawn(live: Bank, login: Callable[..., Person]) -> None:
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker", language="zh")
    new = draft(live, TWO)
    maker.submit(f"/journeyversionview/submit/{new}", {"reason": "试", "percent": "20", "opt_out_limit": "3"})
    request = live.session.scalars(select(Approval.id)).one()
    checker.submit(f"/approvalview/approve/{request}", {"note": ""})
    shown = checker.get(f"/journeyversionview/trial/{new}").text
    assert "退订超过 3% 或失败超过 20%" in shown
    assert "95% 置信区间" in shown
    maker.submit(f"/journeyversionview/widen/{new}", {"percent": "100"})
    maker.submit(f"/journeyversionview/widen/{new}", {"percent": "60"})
    tried = live.session.scalars(select(JourneyCanary)).one()
    assert tried.percent == 60
    maker.submit(f"/journeyversionview/withdraw/{new}", {"reason": "不如现行"})
    live.session.expire_all()
    assert (tried.outcome, tried.reason) == ("withdrawn", "不如现行")
    assert "withdrawn" in maker.get(f"/journeyversionview/trial/{new}").text
    again = draft(live, {**TWO, "name": "又一"})
    maker.submit(f"/journeyversionview/submit/{again}", {"reason": "试", "percent": "20"})
    waiting = live.session.scalars(select(Approval.id).where(Approval.status == "waiting")).one()
    checker.submit(f"/approvalview/approve/{waiting}", {"note": ""})
    maker.submit(f"/journeyversionview/adopt/{again}")
    assert the_journey(live).active_version_id == again
