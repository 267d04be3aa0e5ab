"""Customers under way stay on their version, or are moved to another one by a map of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask_babel import force_locale
from sqlalchemy import func, select

from app import approvals
from app.errors import DomainError
from app.extensions import db
from app.journeys import approval, execution, moves, versions
from app.journeys.definition import JourneyDef
from app.journeys.moves import Move
from app.models import (
    Approval,
    Journey,
    JourneyEnrolment,
    JourneyMove,
    JourneyStep,
    JourneyVersion,
    Outreach,
    Staff,
)
from app.outreach import sending
from tests.conftest import Person
from tests.journeys.bank import Bank
from tests.journeys.support import journey, sms, wait
from tests.journeys.test_past import at, on

ONE = journey(sms("first", "pause"), wait("pause", "second", hours=72), sms("second"))
#: the wait is shorter, the second message is another step
TWO = journey(sms("first", "pause"), wait("pause", "last", hours=48), sms("last"))
OPEN = {"hours": ["09:00", "20:00"], "on_holidays": True, "caps": []}


@pytest.fixture
def live(bank: Bank, login: Callable[..., Person]) -> Bank:
    for name in ("maker", "checker"):
        login("Manager", username=name)
    bank.apply(outreach=OPEN, journeys=[ONE])
    for number in range(12):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    return bank


def staff(name: str) -> Staff:
    return db.session.scalars(select(Staff).where(Staff.username == name)).one()


def draft(content: dict[str, Any]) -> JourneyVersion:
    the_journey = db.session.scalars(select(Journey)).one()
    return versions.add_version(the_journey, JourneyDef.model_validate(content), "maker")


def published(version: JourneyVersion, *given: Any) -> Approval:
    request = approval.submit(version, staff("maker"), "试", *given)
    approvals.approve(request, staff("checker"))
    db.session.commit()
    return request


def test_those_under_way_stay_on_their_version_or_are_moved_by_a_map_with_counts(live: Bank) -> None:
    live.live(at(on(2)))
    with live.app.app_context():
        live.move(at(on(2), 8))
        old = db.session.scalars(select(Journey)).one().active_version
        assert old is not None
        assert moves.standing(old) == {"pause": 12}
        request = published(
            draft(TWO),
            [Move(old.id, {**dict.fromkeys(("first", "end")), "pause": "pause", "second": "last"}, 3)],
        )
        assert [each[1:] for each in request.changes["en"]][-1] == [
            "2 · Wait 72 hours: 12 customers",
            "2 · Wait 48 hours",
        ]
        assert old.status == "retired"
    live.live(at(on(5)))
    rows = live.steps()
    assert {row[1] for row in rows} == {"first", "pause", "last", "end"}
    waits = {row[3][:16] for row in rows if row[1] == "pause"}
    assert waits == {f"{on(3)}T09:00"}  # 48 hours after the first message, which is not sent again
    assert len([row for row in rows if row[1] == "first"]) == 12
    assert [row[3][:16] for row in rows if row[1] == "last"] == [f"{on(3)}T09:00"] * 12
    move = live.session.scalars(select(JourneyMove)).one()
    assert (move.rows_total, move.rows_done, move.finished_at is not None) == (12, 12, True)


def test_a_map_leads_to_other_steps_and_out_of_the_journey_after_a_contact_on_its_way(live: Bank) -> None:
    live.live(at(on(1), 8))
    with live.app.app_context():
        live.move(at(on(1), 9))
        execution.work()  # every first message is queued, none is sent yet
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 12
        old = db.session.scalars(select(Journey)).one().active_version
        assert old is not None
        published(
            draft(TWO), [Move(old.id, {"first": "first", "pause": "last", "second": None, "end": None}, 1)]
        )
        execution.work()
        assert db.session.scalar(select(JourneyMove.finished_at)) is None
        sending.work()
        live.move(at(on(1), 9, 1))
        execution.work()
        execution.work()
        db.session.rollback()
    live.live(at(on(1), 12))
    rows = live.steps()
    assert [row[1] for row in rows[:4]] == ["first", "pause", "last", "end"]
    assert rows[1][4:] == ["skipped", "moved"]
    sent = sorted(row[3][11:16] for row in rows if row[1] == "last")
    assert sent == [f"09:{number * 5:02d}" for number in range(12)]
    assert live.session.scalar(select(JourneyMove.finished_at)) is not None


def test_a_move_alone_needs_a_second_person_and_out_is_out(live: Bank) -> None:
    live.live(at(on(2)))
    with live.app.app_context():
        live.move(at(on(2), 8))
        old = db.session.scalars(select(Journey)).one().active_version
        assert old is not None
        new = published(draft(TWO)).subject_id
        version = db.session.get_one(JourneyVersion, new)
        out = Move(old.id, dict.fromkeys(("first", "pause", "second", "end")))
        for wrong in (
            Move(old.id, {"pause": "pause"}),
            Move(old.id, {**out.map, "pause": "second"}),
            Move(new, out.map),
            Move(old.id, out.map, 0),
        ):
            with pytest.raises(DomainError):
                moves.ask(version, [wrong], staff("maker"), "停")
            db.session.rollback()
        assert moves.sources(version) == [old]
        request = moves.ask(version, [out], staff("maker"), "停")
        with force_locale("zh"), pytest.raises(DomainError):
            approvals.approve(request, staff("maker"))
        approvals.approve(request, staff("checker"))
        with pytest.raises(DomainError, match="already"):
            moves.begin(version, [out], "maker")
        execution.work()
        assert set(db.session.scalars(select(JourneyEnrolment.why))) == {"moved"}
        assert moves.sources(version) == []
    assert {row[1] for row in live.steps()} == {"first", "pause"}


def test_nobody_is_moved_otherwise_while_a_move_is_not_carried_out(
    live: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.live(at(on(2)))
    with live.app.app_context():
        old = db.session.scalars(select(Journey)).one().active_version
        assert old is not None
        published(draft(TWO), [Move(old.id, {"first": None, "pause": "pause", "second": None, "end": None})])
        live.move(at(on(4), 9))  # every wait is over, by either version
        monkeypatch.setattr(execution, "carry_out", lambda _now: None)
        execution.work()
        assert set(db.session.scalars(select(JourneyEnrolment.version_id))) == {old.id}
        waiting = select(JourneyStep.step).where(JourneyStep.status == "waiting")
        assert list(db.session.scalars(waiting)) == ["pause"] * 12
        db.session.rollback()


def test_a_roll_back_is_one_act_that_moves_those_under_way_back(live: Bank) -> None:
    live.live(at(on(2)))
    with live.app.app_context():
        live.move(at(on(2), 8))
        first = db.session.scalars(select(Journey)).one().active_version
        assert first is not None
        second = db.session.get_one(
            JourneyVersion,
            published(draft(TWO), [Move(first.id, moves.same_steps(first, draft(TWO)))]).subject_id,
        )
        execution.work()
        assert moves.standing(second) == {"pause": 12}
        back = published(first, [Move(second.id, moves.same_steps(second, first))])
        third = db.session.get_one(JourneyVersion, back.subject_id)
        assert versions.journey_def(third) == versions.journey_def(first)
        assert third.journey.active_version is third
        execution.work()
        assert (moves.standing(second), moves.standing(third)) == ({}, {"pause": 12})
        db.session.rollback()
