"""One owner a customer: claiming by any path, handing over, giving back, asking; and who is told what."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.extensions import db
from app.hits import assignment, due, settings
from app.models import Customer, Hit, HitEvent, Reminder, Staff
from app.reminders import checks
from tests import clock
from tests.access.world import World, active_rule, hit, lead
from tests.conftest import Person

NOW = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)


@pytest.fixture
def anna(login: Callable[..., Person], world: World) -> Person:
    return login("Marketer", branch=world.home, username="anna")


@pytest.fixture
def bert(login: Callable[..., Person], world: World) -> Person:
    return login("Marketer", branch=world.home, username="bert")


@pytest.fixture
def chief(login: Callable[..., Person], world: World) -> Person:
    return login("Manager", username="chief")


def owner_of(session: Session, world: World, name: str = "lead_home") -> str | None:
    session.expire_all()
    owner = session.get_one(Customer, world.ids[name]).owner
    return owner.username if owner else None


def act(person: Person, world: World, step: str, name: str = "lead_home") -> str:
    path = f"/customerview/action/{step}/{world.ids[name]}"
    return str(person.submit(path, follow_redirects=True).text)


def kinds(session: Session, world: World, name: str) -> list[tuple[str, str | None]]:
    rows = session.execute(
        select(HitEvent.kind, HitEvent.owner).where(HitEvent.hit_id == world.ids[name]).order_by(HitEvent.id)
    ).tuples()
    return list(rows)


def test_claiming_a_hit_claims_the_customer_with_every_open_hit(
    session: Session, world: World, anna: Person, bert: Person
) -> None:
    anna.submit(f"/hitview/action/claim/{world.ids['hit_home_waiting']}")
    hits = session.scalars(select(Hit).where(Hit.lead_id == world.ids["lead_home"]).order_by(Hit.id)).all()
    assert {each.status: each.owner.username if each.owner else None for each in hits} == {
        "waiting": "anna",
        "in_progress": "anna",
        "failed": None,
    }
    assert kinds(session, world, "hit_home_in_progress") == [("claim", "anna")]
    page = bert.submit(f"/hitview/action/start/{world.ids['hit_home_waiting']}", follow_redirects=True).text
    assert "anna" in page
    assert "has had this customer since" in page
    assert owner_of(session, world) == "anna"


def test_a_new_hit_of_an_owned_customer_is_its_owner_s(session: Session, world: World, anna: Person) -> None:
    act(anna, world, "claim")
    _rule, version = active_rule(session, "R-NEW")
    new = hit(session.get_one(Customer, world.ids["lead_home"]).lead, version, "waiting")
    session.add(new)
    session.commit()
    session.refresh(new)
    assert new.owner is not None
    assert (new.owner.username, new.next_on) == ("anna", clock.today() + dt.timedelta(days=1))


def test_the_last_closed_hit_ends_the_ownership(session: Session, world: World, anna: Person) -> None:
    act(anna, world, "claim")
    for name in ("hit_home_waiting", "hit_home_in_progress"):
        data = {"close-reason": world.ids["close_reason"]}
        anna.submit(f"/hitview/work/{world.ids[name]}/close", data)
        left = session.get_one(Customer, world.ids["lead_home"])
        session.refresh(left)
    assert (left.state, left.owner_id, left.next_on) == ("done", None, None)
    session.expire_all()
    assert session.get_one(Hit, world.ids["hit_home_waiting"]).owner is not None
    anna.submit(f"/hitview/action/reopen/{world.ids['hit_home_waiting']}")
    assert owner_of(session, world) == "anna"


def test_an_owner_gives_back_and_undoes_it_from_the_message(
    session: Session, world: World, anna: Person, bert: Person
) -> None:
    act(anna, world, "claim")
    assert "has had this customer since" in act(bert, world, "give_back")
    page = act(anna, world, "give_back")
    assert "1 customer given back." in page
    assert 'name="action" value="claim"' in page
    assert owner_of(session, world) is None
    assert session.get_one(Hit, world.ids["hit_home_waiting"]).next_on is None
    anna.submit("/customerview/action_post", {"action": "claim", "rowid": [world.ids["lead_home"]]})
    assert owner_of(session, world) == "anna"
    # A colleague can be given the customer without asking, by the owner only.
    keys = session.scalars(
        select(Staff.id).where(Staff.username.in_(["anna", "bert"])).order_by(Staff.username)
    )
    to_anna, to_bert = (
        {"action": "hand_over", "rowid": [world.ids["lead_home"]], "choice_hand_over": str(key)}
        for key in keys
    )
    path = "/customerview/action_post"
    assert "not their own" in bert.submit(path, to_bert, follow_redirects=True).text
    assert 'name="choice_hand_over"' in anna.get(f"/customerview/show/{world.ids['lead_home']}").text
    anna.submit(path, to_bert)
    assert owner_of(session, world) == "bert"
    bert.submit(path, to_anna)
    assert owner_of(session, world) == "anna"
    assert [kind for kind, _owner in kinds(session, world, "hit_home_waiting")] == [
        "claim",
        "give_back",
        "claim",
        "assign",
        "assign",
    ]


def test_a_colleague_asks_and_the_owner_hands_over(
    app: Flask, session: Session, world: World, anna: Person, bert: Person
) -> None:
    act(anna, world, "claim")
    assert "has been asked to hand the customer over" in act(bert, world, "ask")
    assert "already" not in act(anna, world, "decline")
    assert act(bert, world, "grant").count("Nobody asks for")
    act(bert, world, "ask")
    with app.app_context():
        checks.run_checks(NOW)
    told = session.scalars(select(Reminder).where(Reminder.kind == "asked")).one()
    assert session.get_one(Staff, told.person_id).username == "anna"
    assert "asks for this customer" in anna.get(f"/customerview/show/{world.ids['lead_home']}").text
    assert "Only managers" in act(bert, world, "grant")
    act(anna, world, "grant")
    assert owner_of(session, world) == "bert"
    assert [kind for kind, _owner in kinds(session, world, "hit_home_waiting")] == [
        *("claim", "ask", "decline", "ask", "assign")
    ]
    assert session.get_one(Customer, world.ids["lead_home"]).asked_by_id is None


def test_nobody_takes_whom_nobody_may_contact(
    session: Session, world: World, anna: Person, chief: Person
) -> None:
    """Held out with another workable hit is worked; held out or opted out alone is behind the filter."""
    session.get_one(Hit, world.ids["hit_home_waiting"]).holdout = True
    session.execute(text("UPDATE lead SET opted_out = true WHERE id = :id"), {"id": world.ids["lead_sub"]})
    session.commit()
    names = {"lead_home": "L1001", "lead_sub": session.get_one(Customer, world.ids["lead_sub"]).lead.lead_no}
    shown = anna.get("/customerview/list/").text
    assert names["lead_home"] in shown
    assert names["lead_sub"] not in shown
    session.execute(text("UPDATE hit SET holdout = true"))
    session.commit()
    assert names["lead_home"] not in anna.get("/customerview/list/").text
    blocked = anna.get("/customerview/list/?_flt_0_state=blocked").text
    assert names["lead_home"] in blocked
    assert names["lead_sub"] in blocked
    assert "2 customers · 4 open hits" in blocked
    assert "holdout group" in act(anna, world, "claim")
    assert "do-not-disturb list" in act(anna, world, "claim", "lead_sub")
    assert (owner_of(session, world), owner_of(session, world, "lead_sub")) == (None, None)


def test_an_owner_hands_over_to_whoever_sees_the_customer_and_is_told_when_nobody_does(
    session: Session, world: World, anna: Person, login: Callable[..., Person]
) -> None:
    """Also to a colleague of a branch above, whose scope covers the customer's."""
    act(anna, world, "claim")
    path = f"/customerview/show/{world.ids['lead_home']}"
    session.execute(text("UPDATE ab_user SET active = false WHERE username NOT IN ('anna', 'cora')"))
    session.commit()
    assert "Nobody else works with the customers of your branch." in anna.get(path).text
    assert "Nobody else works with the customers of your branch." in anna.get("/customerview/list/").text
    deep = login(
        "Marketer", branch=session.get_one(Customer, world.ids["lead_sub"]).lead.branch, username="cora"
    )
    act(deep, world, "claim", "lead_sub")
    below = deep.get(f"/customerview/show/{world.ids['lead_sub']}").text
    assert 'name="choice_hand_over"' in below
    assert "Nobody else works with the customers" not in below
    choice = {
        "action": "hand_over",
        "rowid": world.ids["lead_sub"],
        "choice_hand_over": _key(session, "anna"),
    }
    deep.submit("/customerview/action_post", choice)
    assert owner_of(session, world, "lead_sub") == "anna"


def _key(session: Session, username: str) -> int:
    return session.scalars(select(Staff.id).where(Staff.username == username)).one()


def test_who_bought_as_an_outcome_says_is_not_offered_as_work(
    session: Session, world: World, anna: Person
) -> None:
    """Unless another hit can be worked; closing what was bought warns."""
    for name in ("hit_home_waiting", "hit_home_in_progress"):
        assert "L1001" in anna.get("/customerview/list/").text
        session.execute(text("UPDATE hit SET outcome_on = hit_date WHERE id = :id"), {"id": world.ids[name]})
        session.commit()
    session.expire_all()
    assert session.get_one(Customer, world.ids["lead_home"]).state == "blocked"
    assert "L1001" not in anna.get("/customerview/list/").text
    assert "Converted (confirmed)" in anna.get("/customerview/list/?_flt_0_state=blocked").text
    assert "has bought already" in act(anna, world, "claim")
    page = anna.get(f"/customerview/show/{world.ids['lead_home']}").text
    assert "own system says that this customer has bought. Nobody contacts them" in page
    assert "Close only what was not converted" in page
    session.execute(text("UPDATE hit SET outcome_on = NULL"))
    session.commit()
    assert "L1001" in anna.get("/customerview/list/").text


def test_two_people_never_have_the_same_customer(
    app: Flask, session: Session, world: World, login: Callable[..., Person]
) -> None:
    """Four people claim hits of the same customers by four paths at once, while the ticker assigns."""
    leads = [lead(app.config["SETTINGS"], 100 + n, world.home) for n in range(8)]
    session.add_all(leads)
    session.flush()
    versions = [active_rule(session, f"R-RACE-{n}")[1] for n in range(2)]
    hits = {each.id: [hit(each, version, "waiting") for version in versions] for each in leads}
    session.add_all(each for own in hits.values() for each in own)
    names = [f"p{n}" for n in range(4)]
    people = [login("Marketer", branch=world.home, username=name) for name in names]
    session.commit()
    keys = [(each.id, *(one.id for one in hits[each.id])) for each in leads]
    barrier, answers = threading.Barrier(len(people) + 1), dict[tuple[int, int], str]()

    def paths(n: int, customer: int, first: int, second: int) -> tuple[str, dict[str, Any]]:
        return (
            (f"/hitview/action/claim/{first}", {}),
            (f"/hitview/action/start/{second}", {}),
            (f"/customerview/action/claim/{customer}", {}),
            ("/hitview/action_post", {"action": "claim", "rowid": [second]}),
        )[n]

    def claims(n: int) -> None:
        for key in keys:
            path, data = paths(n, *key)
            barrier.wait(timeout=30)
            answers[n, key[0]] = people[n].submit(path, data, follow_redirects=True).text

    def assigns() -> None:
        for number, _key in enumerate(keys):
            barrier.wait(timeout=30)
            with app.app_context():
                settings.store({"auto_assign": number % 2 == 1}, "chief")
                db.session.commit()
                assignment.auto_assign(NOW)
                db.session.remove()

    threads = [threading.Thread(target=claims, args=(n,)) for n in range(len(people))]
    threads.append(threading.Thread(target=assigns))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.expire_all()
    for customer, first, second in keys:
        owner = session.get_one(Customer, customer).owner
        assert owner is not None
        assert {session.get_one(Hit, key).owner_id for key in (first, second)} == {owner.id}
        for n, name in enumerate(names):
            told = "has had this customer since" in answers[n, customer]
            assert told == (name != owner.username), answers[n, customer]
    begun = select(HitEvent.hit_id, func.count()).where(HitEvent.kind.in_(("claim", "assign")))
    taken = session.execute(begun.group_by(HitEvent.hit_id)).tuples()
    assert all(n == 1 for _hit, n in taken)


def test_what_is_due_is_counted_by_customers(
    app: Flask, session: Session, world: World, anna: Person
) -> None:
    act(anna, world, "claim")
    day = clock.today() + dt.timedelta(days=1)
    with app.app_context():
        me = db.session.scalars(select(Staff).where(Staff.username == "anna")).one()
        assert [(group.person_id, group.n) for group in due.due_groups(day)] == [(me.id, 1)]
    page = anna.get("/myworkview/list/?show=mine").text
    assert "customer · 2 open hits" in page
    assert page.count('class="check" name="rowid"') == 1
