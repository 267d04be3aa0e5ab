"""Journeys that stand still: nobody is contacted meanwhile, and when they go on not everybody at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.extensions import db
from app.journeys import execution, stops
from app.models import (
    Journey,
    JourneyEnrolment,
    JourneyStop,
    Lead,
    Outreach,
    OutreachBatch,
)
from app.outreach import batches
from tests.clock import ZONE
from tests.journeys.bank import Bank
from tests.journeys.support import journey, sms, wait
from tests.journeys.test_past import at, on

TWO = journey(sms("first", "pause"), wait("pause", "second", hours=24), sms("second"))
OPEN = {"hours": ["09:00", "20:00"], "on_holidays": True, "caps": []}


@pytest.fixture
def live(bank: Bank) -> Bank:
    bank.apply(outreach=OPEN, journeys=[TWO])
    for number in range(16):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    return bank


def in_app(bank: Bank, moment: dt.datetime, what: Callable[[], Any]) -> None:
    """Let somebody do something at a moment, in the application."""

    def run(_session: Session) -> None:
        bank.move(moment)
        with bank.app.app_context():
            what()
            db.session.commit()

    bank.events.append((moment, run))


def the_journey() -> Journey:
    return db.session.scalars(select(Journey)).one()


def sent(bank: Bank) -> list[str]:
    """Return the local times at which messages left, in order."""
    bank.session.expire_all()
    query = select(Outreach.sent_at).where(Outreach.sent_at.is_not(None)).order_by(Outreach.sent_at)
    return [each.astimezone(ZONE).strftime("%d %H:%M") for each in bank.session.scalars(query)]


def test_what_fell_due_in_a_pause_goes_out_evenly_in_the_hours_that_were_chosen(live: Bank) -> None:
    in_app(live, at(on(2), 8), lambda: stops.pause(the_journey(), "boss", "投诉"))
    in_app(live, at(on(3), 18), lambda: stops.resume(the_journey(), "boss", 4))
    live.live(at(on(5)))
    second = [row for row in live.steps() if row[1] == "second"]
    times = sorted(row[3][:16] for row in second)
    evening = [f"{on(3)}T{18 + n // 4}:{n % 4 * 15:02d}" for n in range(8)]
    morning = [f"{on(4)}T{9 + n // 4:02d}:{n % 4 * 15:02d}" for n in range(8)]
    assert times == evening + morning
    assert [each[3:] for each in sent(live)[16:]] == [each[11:] for each in evening + morning]


def test_a_stop_of_all_journeys_holds_back_what_was_queued_and_lets_nobody_enter(live: Bank) -> None:
    live.live(at(on(1), 8))
    with live.app.app_context():
        live.move(at(on(1), 9))
        execution.work()
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 16
        stops.stop_all("boss", "网关异常")
        db.session.commit()
        with pytest.raises(DomainError, match="already"):
            stops.stop_all("boss", "网关异常")
        batch = db.session.scalars(select(OutreachBatch)).one()
        with pytest.raises(DomainError, match="stands still"):
            batches.resume(batch)
        db.session.rollback()
    live.hit(live.customer(99), on(1), created_at=at(on(1), 9, 30))
    live.events += [(at(on(1), hour), lambda _session: None) for hour in (10, 13)]
    in_app(live, at(on(1), 16), lambda: stops.release_all("boss", 2))
    live.live(at(on(1), 15))
    assert (sent(live), entered(live)) == ([], 16)
    live.live(at(on(1), 20))
    assert entered(live) == 17
    assert sent(live)[::8] == [f"{on(1):%d} {each}" for each in ("16:00", "16:56", "17:52")]


def test_whoever_triggered_more_than_a_day_before_a_journey_goes_on_does_not_enter(live: Bank) -> None:
    in_app(live, at(on(2), 8), lambda: stops.pause(the_journey(), "boss", "投诉"))
    in_app(live, at(on(6), 12), lambda: stops.resume(the_journey(), "boss"))
    for number, day in ((50, 3), (51, 6)):
        live.hit(live.customer(number), on(day), created_at=at(on(day), 10))
    live.live(at(on(6), 12))
    found = live.session.scalars(select(Lead.lead_no).join(JourneyEnrolment).order_by(Lead.id)).all()
    assert found[16:] == ["L0051"]


def test_a_journey_in_which_somebody_is_moved_is_not_paused_before_that_is_stored(live: Bank) -> None:
    live.live(at(on(1), 8))
    with live.app.app_context():
        assert len(stops.locked_for_moving()) == 1
        with pytest.raises(OperationalError, match="lock"):
            live.session.execute(select(Journey.id).with_for_update(nowait=True))
        live.session.rollback()
        db.session.rollback()
        stops.pause(the_journey(), "boss", "投诉")
        db.session.commit()
        assert stops.locked_for_moving() == []


def test_only_what_stands_still_goes_on_and_each_stop_says_who_and_why(live: Bank) -> None:
    live.live(at(on(1), 8))
    with live.app.app_context():
        journey = the_journey()
        for refused in (
            lambda: stops.resume(journey, "boss"),
            lambda: stops.release_all("boss"),
            lambda: stops.pause(journey, "boss", " "),
        ):
            with pytest.raises(DomainError):
                refused()
        stops.pause(journey, "boss", "投诉")
        with pytest.raises(DomainError, match="not running"):
            stops.pause(journey, "boss", "投诉")
        stops.stop_all("chief", "停电")
        with pytest.raises(DomainError, match="1 to 200"):
            stops.resume(journey, "boss", 0)
        stops.resume(journey, "boss", 3)
        assert stops.locked_for_moving() == []
        stops.release_all("chief", 5)
        found = db.session.execute(
            select(JourneyStop.stopped_by, JourneyStop.reason, JourneyStop.ended_by, JourneyStop.hours)
        )
        assert [tuple(each) for each in found] == [("boss", "投诉", "boss", 3), ("chief", "停电", "chief", 5)]
        assert stops.locked_for_moving() == []  # until everybody was given a moment
        stops.spread_overdue(at(on(1), 8))
        assert len(stops.locked_for_moving()) == 1
        db.session.rollback()


def entered(bank: Bank) -> int:
    return bank.session.scalar(select(func.count()).select_from(JourneyEnrolment)) or 0
