"""Journeys under way do what their simulation showed, row by row, and nobody is contacted twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.effect import money
from app.extensions import db
from app.journeys import execution
from app.lib import clock
from app.models import (
    Journey,
    JourneyEnrolment,
    Lead,
    Outreach,
    SandboxMessage,
)
from app.outreach import results, sandbox, sending
from app.outreach.comparison import by_text
from tests.journeys.bank import Bank
from tests.journeys.support import RECALL, journey, sms, wait
from tests.journeys.test_past import at, on

JOURNEY = {**RECALL, "trigger": {"on": "hit"}, "reentry": {"after_days": 9}}


def test_an_answer_ends_the_wait_for_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [(100, [[3, "delivered"], [7200, "interested"]])]
    monkeypatch.setattr(sandbox, "OUTCOMES", {"sms": said, "call": said})
    bank.apply(journeys=[JOURNEY])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.events += [(at(on(1), hour), lambda _session: None) for hour in range(9, 14)]
    bank.live(at(on(2)))
    [first, wait, end] = bank.steps()
    assert (first[1], first[3][:16]) == ("sms1", f"{on(1)}T09:00")
    assert (wait[1], wait[4:], end[1]) == ("wait1", ["done", "answered"], "end")
    assert wait[3][:13] == f"{on(1)}T11"
    assert bank.session.scalar(select(JourneyEnrolment.status)) == "ended"


def test_a_worker_that_dies_has_done_nothing_and_nobody_is_contacted_twice(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.apply(journeys=[JOURNEY])
    for number in range(5):
        bank.hit(bank.customer(number), on(0), created_at=at(on(1), 6))
    bank.session.commit()
    bank.move(at(on(1), 10))
    dies = [True]
    queue = execution.for_journeys.queue

    def queue_and_die(*given: Any) -> Any:
        made = queue(*given)
        if dies.pop():
            dies.append(False)
            raise MemoryError
        dies.append(False)
        return made

    monkeypatch.setattr(execution.for_journeys, "queue", queue_and_die)
    with bank.app.app_context():
        with pytest.raises(MemoryError):
            execution.work()
        db.session.rollback()
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 0
        execution.work()
        execution.work()
        sending.work()
        assert db.session.scalar(select(func.count()).select_from(Outreach)) == 5
    assert bank.session.scalar(select(func.count()).select_from(SandboxMessage)) == 5


def test_a_contact_without_a_hit_is_shown_answered_and_counted(
    bank: Bank, login: Callable[..., Any], session: Session
) -> None:
    bank.apply(journeys=[journey(sms("sms"), trigger={"on": "outcome", "outcome": "any"})])
    leads = [bank.customer(number) for number in range(3)]
    for who, day in ((0, 0), (1, 0), (2, 0), (1, 4)):
        bank.bought(leads[who], on(day))
    bank.live(at(on(1), 12))
    contacts = session.scalars(select(Outreach).order_by(Outreach.lead_id)).all()
    assert [(each.hit_id, each.status) for each in contacts] == [(None, "delivered")] * 3
    with bank.app.app_context():
        row = db.session.get_one(Outreach, contacts[0].id)
        assert results.record(row, "opt_out", clock.now(), "", "crm")
        db.session.commit()
    bank.live(at(on(5)))
    session.expire_all()
    with bank.app.app_context():
        batch = contacts[0].batch
        [figures] = by_text(batch).values()
        [(people, _cost)] = money.contacted(Outreach.version_id, Outreach.batch_id == batch.id).values()
    assert (figures.contacted, figures.converted.part, figures.opted_out.part) == (3, 1, 1)
    assert (people.people, people.converted, people.amount) == (3, 1, 10)
    admin = login("Admin")
    shown = admin.get(f"/outreachview/show/{contacts[0].id}")
    assert shown.status_code == 200
    assert "<th>Hit</th>" not in shown.text
    for path in ("/outreachview/list/", f"/outreachbatchview/show/{batch.id}"):
        assert admin.get(path).status_code == 200


@pytest.mark.parametrize("reentry", ["never", {"after_days": 1}])
@pytest.mark.parametrize("trigger", [{"on": "hit"}, {"on": "outcome", "outcome": "any"}])
def test_a_changed_or_deleted_step_lets_nobody_enter_again(
    bank: Bank, trigger: dict[str, Any], reentry: Any
) -> None:
    about = {"trigger": trigger, "reentry": reentry}
    first = journey(sms("sms1", "wait1"), wait("wait1", "sms2", hours=20), sms("sms2"), **about)
    edited = journey(sms("sms1", "wait1"), wait("wait1", "call", hours=1), sms("call"), **about)
    deleted = journey(wait("pause"), **about)
    bank.apply(outreach={"caps": []}, journeys=[first])
    for number in range(2):
        lead = bank.customer(number)
        if trigger["on"] == "hit":
            bank.hit(lead, on(0), created_at=at(on(1), 6))
        else:
            bank.bought(lead, on(0))
    for content, moment in ((edited, at(on(1), 7)), (deleted, at(on(1), 12))):
        bank.live(moment)
        bank.apply(journeys=[content])
    bank.live(at(on(4)))
    went = ["sms1", "wait1", "sms2", "end"]
    assert [row[1] for row in bank.steps()] == went * 2
    assert bank.messages() == 4


def test_a_step_tags_the_customer(bank: Bank) -> None:
    tag = {"id": "tag", "do": "tag", "add": ["vip"], "then": "end"}
    bank.apply(journeys=[journey(tag)])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    bank.live(at(on(2)))
    assert [row[1] for row in bank.steps()] == ["tag", "end"]
    lead = bank.session.scalars(select(Lead).where(Lead.lead_no == "L0001")).one()
    assert [each.code for each in lead.tags] == ["vip"]


def test_a_paused_journey_stands_still(bank: Bank) -> None:
    bank.apply(journeys=[JOURNEY])
    bank.hit(bank.customer(1), on(0), created_at=at(on(1), 6))
    paused = update(Journey).values(status="paused")
    bank.events.append((at(on(1), 8), lambda session: session.execute(paused)))
    bank.events.append((at(on(1), 12), lambda _session: None))
    bank.live(at(on(1), 12))
    assert [row[4] for row in bank.steps()] == ["waiting"]
    assert bank.session.scalar(select(func.count()).select_from(Outreach)) == 0


def test_steps_that_are_due_are_found_past_those_of_a_journey_that_stands_still(bank: Bank) -> None:
    """A plan that reads what is due of all journeys would read a million steps of one that is paused."""
    bank.session.commit()
    words = select(execution._locked([1, 2], at(on(1)))).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    with bank.app.app_context():
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            db.session.execute(text(f"SET LOCAL {setting} = off"))
        [explained] = db.session.execute(text(f"EXPLAIN (FORMAT JSON) {words}")).scalar_one()
    [found] = [node for node in nodes(explained["Plan"]) if node.get("Index Name") == "ix_journey_step_due"]
    assert "journey_id = " in found["Index Cond"]
    assert "next_at <= " in found["Index Cond"]
    kinds = {node["Node Type"] for node in nodes(explained["Plan"])}
    assert "Incremental Sort" in kinds
    assert "Sort" not in kinds


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)
