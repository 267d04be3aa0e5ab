"""What steps of journeys do beside contacts: tasks, customers handed over, messages to systems."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.channels import targets
from app.extensions import db
from app.hits import owner
from app.lib import clock
from app.models import Branch, Customer, Delivery, HitEvent, Lead, Push, Staff
from app.push import deliver
from tests.conftest import Person
from tests.journeys.bank import Bank
from tests.journeys.support import journey
from tests.journeys.test_past import at, on
from tests.push.receiver import Receiver, serve

TASK = {"id": "task", "do": "task", "title": "回访 13800001234", "due_days": 2, "then": "end"}
HAND = {"id": "hand", "do": "hand", "to": "branch", "then": "end"}
OUTCOME = {"on": "outcome", "outcome": "any"}


@pytest.fixture
def anna(login: Callable[..., Person], session: Session) -> Staff:
    branch = Branch(code="B", name="分行")
    session.add(branch)
    session.flush()
    branch.path = f"/{branch.id}/"
    session.commit()
    login("Marketer", branch=branch, username="anna")
    return session.scalars(select(Staff).where(Staff.username == "anna")).one()


def entered(bank: Bank, count: int, anna: Staff, *owned: int, **values: Any) -> list[Lead]:
    """Let customers with a hit of yesterday enter, some of whom a marketer has."""
    leads = [bank.customer(number, branch_id=anna.branch_id, **values) for number in range(count)]
    for lead in leads:
        bank.hit(lead, on(0), created_at=at(on(1), 6))
    bank.session.commit()
    bank.move(at(on(1), 5))
    with bank.app.app_context():
        person = db.session.get_one(Staff, anna.id)
        for number in owned:
            owner.claim(db.session.get_one(Customer, leads[number].id), person)
            owner.plan(db.session.get_one(Customer, leads[number].id), on(20))
        db.session.commit()
    return leads


def customers(bank: Bank) -> list[Customer]:
    bank.session.expire_all()
    return list(bank.session.scalars(select(Customer).order_by(Customer.id)))


def events(bank: Bank, kind: str) -> list[tuple[str | None, str, dt.date | None]]:
    query = select(HitEvent.owner, HitEvent.note, HitEvent.next_on).where(HitEvent.kind == kind)
    return list(bank.session.execute(query.order_by(HitEvent.hit_id)).tuples())


def test_a_task_is_the_next_contact_of_the_owner_and_stands_in_the_history(
    bank: Bank, anna: Staff, login: Callable[..., Person]
) -> None:
    bank.apply(journeys=[journey(TASK)])
    entered(bank, 2, anna, 0)
    bank.live(at(on(1), 7))
    assert [each.next_on for each in customers(bank)] == [on(3), None]
    assert events(bank, "task") == [("anna", "回访 138****1234", on(3)), (None, "回访 138****1234", on(3))]
    page = login("Manager").get(f"/customerview/show/{customers(bank)[0].id}").text
    assert "Task from a journey" in page
    assert "回访 138****1234" in page


def test_a_customer_is_handed_to_the_owner_or_to_somebody_who_has_room(bank: Bank, anna: Staff) -> None:
    bank.apply(journeys=[journey({**HAND, "to": "owner"})])
    entered(bank, 2, anna, 0)
    bank.live(at(on(1), 7))
    assert [(each.owner_id, each.next_on) for each in customers(bank)] == [(anna.id, on(1))] * 2
    assert events(bank, "hand") == [("anna", "", on(1)), (None, "", on(1))]


def test_a_customer_handed_to_the_branch_waits_for_whoever_claims_first(bank: Bank, anna: Staff) -> None:
    bank.apply(journeys=[journey(HAND)])
    entered(bank, 2, anna, 0)
    bank.live(at(on(1), 7))
    assert [(each.owner_id, each.next_on) for each in customers(bank)] == [(None, None)] * 2
    assert events(bank, "give_back") == [(None, "", None)]


@pytest.fixture
def crm(bank: Bank) -> Iterator[Receiver]:
    """Let a receiver of webhooks be the target of journeys."""
    made = Receiver()
    server = serve(made)
    before = bank.app.config["SETTINGS"]
    place = made.url.removesuffix("/hooks")
    bank.app.config["SETTINGS"] = settings = dataclasses.replace(before, webhook_allow=(place,))
    with bank.app.app_context():
        target = targets.create("webhook", "bank-crm", "CRM", {"url": made.url}, "tester")
        made.secret = targets.new_secret(target, settings)
        targets.resume(target)
        db.session.commit()
    yield made
    bank.app.config["SETTINGS"] = before
    server.shutdown()
    server.server_close()


def test_a_system_is_told_once_of_the_customers_at_a_step(
    bank: Bank, anna: Staff, crm: Receiver, login: Callable[..., Person]
) -> None:
    step = {"id": "tell", "do": "webhook", "target": "bank-crm", "then": "end"}
    bank.apply(journeys=[journey(step)])
    leads = entered(bank, 3, anna)
    bank.live(at(on(1), 7))
    bank.session.execute(update(Lead).where(Lead.id == leads[2].id).values(deleted_at=at(on(1))))
    bank.session.commit()
    crm.behave = lambda _body: 503
    with bank.app.app_context():
        assert deliver.work(clock.now, wait=False) == 1
    crm.behave = lambda _body: 200
    bank.move(at(on(1), 8))
    with bank.app.app_context():
        assert deliver.work(clock.now, wait=False) == 1
        assert deliver.work(clock.now, wait=False) == 0
    assert list(crm.seen.values()) == [2]
    [body] = crm.accepted.values()
    data = body["data"]
    assert (body["type"], data["journey"], data["version"], data["step"]) == ("journey.step", "J", 1, "tell")
    assert (data["total"], [each["lead_no"] for each in data["customers"]]) == (3, ["L0000", "L0001"])
    first = data["customers"][0]
    assert (first["phone_masked"], first["branch"]) == ("138****0000", "B")
    assert dt.datetime.fromisoformat(first["at"]) == at(on(1), 6)
    assert first["hit"] is not None
    bank.session.expire_all()
    assert bank.session.scalars(select(Delivery.status)).all() == ["sent"]
    push = bank.session.scalars(select(Push)).one()
    assert push.status == "done"
    admin = login("Admin")
    for path in ("/pushview/list/", f"/pushview/show/{push.id}", "/deliveryview/list/"):
        assert admin.get(path).status_code == 200
    assert "3 customers" in admin.get("/pushview/list/").text


def test_without_a_hit_nobody_has_a_task_and_the_journey_goes_on(bank: Bank, anna: Staff) -> None:
    bank.apply(journeys=[journey({**TASK, "then": "hand"}, HAND, trigger=OUTCOME)])
    bank.bought(bank.customer(1), on(0))
    bank.live(at(on(1), 7))
    assert [row[1] for row in bank.steps()] == ["task", "hand", "end"]
    assert events(bank, "task") == []
