"""Work on hits: its steps, and what the ticker does with customers whom nobody has or came back to."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.extensions import db
from app.hits import assignment, due, settings
from app.hits import steps as work
from app.models import CloseReason, Hit, HitEvent, Lead, Outcome, Staff, Suppression
from tests import clock
from tests.access.world import World
from tests.conftest import Person, make_staff

NOW = dt.datetime(2026, 11, 2, 1, 0, tzinfo=dt.UTC)


@pytest.fixture
def marketer(login: Callable[..., Person], world: World) -> Person:
    return login("Marketer", branch=world.home, username="anna")


@pytest.fixture
def colleague(login: Callable[..., Person], world: World) -> Person:
    return login("Marketer", branch=world.home, username="bert")


@pytest.fixture
def manager(login: Callable[..., Person], world: World) -> Person:
    return login("Manager", username="chief")


def of(session: Session, world: World, name: str) -> Hit:
    session.expire_all()
    return session.get_one(Hit, world.ids[name])


def staff(session: Session, username: str) -> Staff:
    return session.scalars(select(Staff).where(Staff.username == username)).one()


def history(session: Session, world: World, name: str) -> list[tuple[str, str, str, str, str | None]]:
    rows = session.scalars(
        select(HitEvent).where(HitEvent.hit_id == world.ids[name]).order_by(HitEvent.id)
    ).all()
    return [(row.kind, row.from_status, row.to_status, row.person, row.owner) for row in rows]


def act(person: Person, world: World, step: str, name: str) -> Any:
    return person.submit(f"/hitview/action/{step}/{world.ids[name]}")


def take(person: Person, world: World, step: str, name: str, **fields: Any) -> str:
    """Take a step with a form, a conversion with a product unless one is given."""
    if step == "convert":
        fields.setdefault("product", world.ids["product"])
    data = {f"{step}-{field}": value for field, value in fields.items() if value is not None}
    path = f"/hitview/work/{world.ids[name]}/{step}"
    return str(person.submit(path, data, follow_redirects=True).text)


def test_a_hit_is_worked_to_its_end_and_every_step_is_kept(
    session: Session, world: World, marketer: Person
) -> None:
    name, today = "hit_home_waiting", clock.today()
    act(marketer, world, "claim", name)
    act(marketer, world, "start", name)
    page = take(
        marketer,
        world,
        "follow_up",
        name,
        note="回拨 13912345678，证件 11010519491231002X",
        next_on=today + dt.timedelta(days=3),
    )
    assert "139****5678" in page
    done = of(session, world, name)
    assert (done.status, done.next_on) == ("in_progress", today + dt.timedelta(days=3))
    loan = world.ids["product"]
    take(marketer, world, "convert", name, on=done.hit_date, amount="120000.50", note="已签", product=loan)
    done = of(session, world, name)
    assert (done.status, done.amount, done.next_on) == ("converted", Decimal("120000.50"), None)
    assert done.product_id == loan
    assert done.converted_at is not None
    assert done.converted_at.date() == done.hit_date
    assert history(session, world, name) == [
        ("claim", "waiting", "waiting", "anna", "anna"),
        ("start", "waiting", "in_progress", "anna", "anna"),
        ("follow_up", "in_progress", "in_progress", "anna", "anna"),
        ("convert", "in_progress", "converted", "anna", "anna"),
    ]
    kept = " ".join(session.scalars(select(HitEvent.note)))
    assert "13912345678" not in kept
    assert "11010519491231002X" not in kept


def test_a_closed_hit_has_a_reason_and_can_be_opened_again(
    session: Session, world: World, marketer: Person
) -> None:
    name = "hit_home_waiting"
    act(marketer, world, "claim", name)
    assert (
        "is-invalid" in take(marketer, world, "close", name) or of(session, world, name).status == "waiting"
    )
    take(marketer, world, "close", name, reason=world.ids["close_reason"], note="已有贷款")
    closed = of(session, world, name)
    assert (closed.status, closed.close_reason_id) == ("failed", world.ids["close_reason"])
    act(marketer, world, "reopen", name)
    opened = of(session, world, name)
    assert (opened.status, opened.close_reason_id) == ("waiting", None)
    assert opened.owner is not None
    assert opened.owner.username == "anna"


def test_a_held_out_customer_may_convert_alone_and_is_never_contacted(
    session: Session, world: World, marketer: Person
) -> None:
    name = "hit_home_waiting"
    session.get_one(Hit, world.ids[name]).holdout = True
    session.commit()
    told = "counts as for everybody"
    assert told in marketer.get(f"/hitview/show/{world.ids[name]}").text
    session.execute(delete(Outcome))
    session.commit()
    act(marketer, world, "start", name)
    assert of(session, world, name).status == "waiting"
    assert "mark the hit as converted here" in marketer.get(f"/hitview/show/{world.ids[name]}").text
    take(marketer, world, "convert", name, on=of(session, world, name).hit_date)
    done = of(session, world, name)
    assert (done.status, done.converted_at is not None) == ("converted", True)
    assert history(session, world, name) == [("convert", "waiting", "converted", "anna", "anna")]


#: status → the steps that change a hit of that status
ALLOWED = {
    "waiting": {"start", "close"},
    "in_progress": {"follow_up", "convert", "close"},
    "failed": {"reopen"},
    "converted": set(),
}


@pytest.mark.parametrize("status", ALLOWED)
def test_only_the_steps_of_a_status_can_be_taken(
    app: Flask, session: Session, world: World, marketer: Person, status: str
) -> None:
    key, day = world.ids["hit_home_waiting"], work_day(app)
    steps: dict[str, Callable[[Hit, Staff], None]] = {
        "start": work.start,
        "follow_up": lambda hit, by: work.follow_up(hit, by, "谈过", day),
        "convert": lambda hit, by: work.convert(hit, by, product=work.products_of(hit)[0]),
        "close": lambda hit, by: work.close(hit, by, db.session.get(CloseReason, world.ids["close_reason"])),
        "reopen": work.reopen,
    }
    taken = set()
    with app.test_request_context():
        for name, step in steps.items():
            db.session.execute(text("UPDATE hit SET status = :s, owner_id = NULL"), {"s": status})
            db.session.execute(text("UPDATE customer SET owner_id = NULL"))
            db.session.commit()
            hit, by = db.session.get_one(Hit, key), db.session.scalars(select(Staff)).all()[-1]
            try:
                step(hit, by)
                taken.add(name)
                db.session.commit()
            except DomainError:
                db.session.rollback()
                assert db.session.get_one(Hit, key).status == status
    assert taken == ALLOWED[status]


def test_one_s_own_waiting_hit_is_begun_by_what_was_done(
    session: Session, world: World, marketer: Person, colleague: Person
) -> None:
    name, later = "hit_home_waiting", clock.today() + dt.timedelta(days=3)
    act(marketer, world, "claim", name)
    page = marketer.get(f"/hitview/show/{world.ids[name]}").text
    assert f"/hitview/work/{world.ids[name]}/follow_up" in page
    assert f"/hitview/work/{world.ids[name]}/convert" in page
    assert "/follow_up" not in colleague.get(f"/hitview/show/{world.ids[name]}").text
    take(marketer, world, "follow_up", name, note="", next_on=later)
    take(colleague, world, "follow_up", name, note="谈过", next_on=later)
    assert of(session, world, name).status == "waiting"
    take(marketer, world, "follow_up", name, note="谈过", next_on=later)
    assert (of(session, world, name).status, of(session, world, name).next_on) == ("in_progress", later)
    assert [row[:3] for row in history(session, world, name)] == [
        ("claim", "waiting", "waiting"),
        ("start", "waiting", "in_progress"),
        ("follow_up", "in_progress", "in_progress"),
    ]


def test_a_wrong_conversion_is_corrected_and_the_old_values_are_kept(
    session: Session, world: World, marketer: Person, colleague: Person, manager: Person
) -> None:
    name = "hit_home_in_progress"
    day = of(session, world, name).hit_date
    take(marketer, world, "convert", name, on=day, amount="1200.50")
    wrong = take(marketer, world, "correct", name, on=day, amount="120.505", note="多写")
    assert "0 to 999,999,999,999.99" in wrong
    assert "field-bad" in take(marketer, world, "correct", name, on=day, amount="120", note="")
    take(colleague, world, "correct", name, on=day, amount="1", note="不是我的")
    assert of(session, world, name).amount == Decimal("1200.50")
    page = take(
        marketer, world, "correct", name, on=day + dt.timedelta(days=1), amount="120", note="多写一个零"
    )
    kept = f"{day} → {day + dt.timedelta(days=1)} · ¥1,200.50 → ¥120.00 · 多写一个零"
    assert of(session, world, name).product_id == world.ids["product"]
    assert kept in page
    done = of(session, world, name)
    assert (done.status, done.amount) == ("converted", Decimal(120))
    assert session.scalars(select(HitEvent.note).order_by(HitEvent.id)).all() == ["消费贷 · ¥1,200.50", kept]
    # Marked on an earlier day: only a manager may. The steps are kept as they are, so there is none left.
    session.execute(text("ALTER TABLE hit_event DISABLE TRIGGER USER"))
    session.execute(text("UPDATE hit_event SET at = at - interval '1 day'"))
    session.execute(text("ALTER TABLE hit_event ENABLE TRIGGER USER"))
    session.commit()
    assert "/correct" not in marketer.get(f"/hitview/show/{world.ids[name]}").text
    take(marketer, world, "correct", name, on=day, amount="1", note="再改")
    assert of(session, world, name).amount == Decimal(120)
    take(manager, world, "correct", name, on=day, amount="", note="没有成交额")
    done = of(session, world, name)
    assert (done.amount, done.owner.username if done.owner else "") == (None, "anna")


def test_a_conversion_names_a_product_that_the_rule_counts(
    session: Session, world: World, marketer: Person
) -> None:
    name = "hit_home_in_progress"
    day = of(session, world, name).hit_date
    asked = "Choose the product that the customer bought."
    assert asked in take(marketer, world, "convert", name, on=day, product="")
    version = of(session, world, name).version
    version.products = ["LOAN-C"]
    session.commit()
    page = marketer.get(f"/hitview/show/{world.ids[name]}").text
    assert "存款" not in page.split('name="convert-product"')[1].split("</select>")[0]
    take(marketer, world, "convert", name, on=day, product=world.ids["free_product"])
    assert of(session, world, name).status == "in_progress"
    # What the form leaves out, and what a gateway reports, is of the rule's only product.
    take(marketer, world, "convert", name, on=day, product=None)
    assert of(session, world, name).product_id == world.ids["product"]
    version.products = []
    session.commit()
    page = take(
        marketer, world, "correct", name, on=day, note="其实是存款", product=world.ids["free_product"]
    )
    assert "消费贷 → 存款" in page
    assert of(session, world, name).product_id == world.ids["free_product"]
    assert "<dt>Product</dt><dd>存款</dd>" in page


@pytest.mark.parametrize("amount", ["-1", "99999999999999999", "0.001", "NaN"])
def test_an_amount_that_cannot_be_says_what_can(
    session: Session, world: World, marketer: Person, amount: str
) -> None:
    page = take(marketer, world, "convert", "hit_home_in_progress", on="2026-10-17", amount=amount)
    assert page.count("Enter an amount in yuan from 0 to 999,999,999,999.99, with at most two decimals.") == 2
    assert of(session, world, "hit_home_in_progress").amount is None


def refusal(session: Session, world: World) -> int:
    reason = session.get_one(CloseReason, world.ids["close_reason"])
    reason.refusal = True
    session.commit()
    return reason.id


def test_a_refusal_protects_the_customer(session: Session, world: World, marketer: Person) -> None:
    key, name = refusal(session, world), "hit_home_in_progress"
    box = re.search(
        r'<input[^>]*name="close-leave_alone"[^>]*>', marketer.get(f"/hitview/show/{world.ids[name]}").text
    )
    assert box is not None
    assert "checked" in box[0]
    take(marketer, world, "close", name, reason=key, note="别再打 13912345678", leave_alone="y")
    entry = session.scalars(select(Suppression).order_by(Suppression.id.desc())).first()
    customer = session.get_one(Lead, world.ids["lead_home"])
    assert entry is not None
    assert (entry.id_hash, entry.created_by) == (customer.id_hash, "anna")
    assert entry.reason == "暂无需求：别再打 139****5678"
    assert customer.opted_out
    page = marketer.submit(f"/hitview/action/reopen/{world.ids[name]}", follow_redirects=True).text
    assert "be reopened until the customer is off the list" in page
    assert of(session, world, name).status == "failed"


def test_only_a_refusal_with_the_box_ticked_goes_on_the_list(
    session: Session, world: World, marketer: Person, manager: Person
) -> None:
    count = select(func.count(Suppression.id))
    before, key = session.scalar(count) or 0, world.ids["close_reason"]
    take(marketer, world, "close", "hit_home_waiting", reason=key, leave_alone="y")
    refusal(session, world)
    take(marketer, world, "close", "hit_home_in_progress", reason=key)
    assert of(session, world, "hit_home_in_progress").status == "failed"
    assert session.scalar(count) == before
    many = {"action": "close", "rowid": [world.ids["hit_away_waiting"]], "choice_close": key}
    manager.submit("/hitview/action_post", many)
    session.expire_all()
    assert session.scalar(count) == before + 1
    assert session.get_one(Lead, world.ids["lead_away"]).opted_out


def test_many_hits_are_not_started_at_once(session: Session, world: World, marketer: Person) -> None:
    assert 'value="start"' not in marketer.get("/hitview/list/").text
    marketer.submit("/hitview/action_post", {"action": "start", "rowid": [world.ids["hit_home_waiting"]]})
    assert of(session, world, "hit_home_waiting").status == "waiting"


def work_day(app: Flask) -> dt.date:
    with app.app_context():
        return clock.today()


@pytest.mark.parametrize(
    "fields", [{"note": "", "next_on": "2999-01-01"}, {"note": "谈过", "next_on": "2020-01-01"}]
)
def test_a_wrong_follow_up_keeps_nothing_and_loses_no_word(
    session: Session, world: World, marketer: Person, fields: dict[str, str]
) -> None:
    page = take(marketer, world, "follow_up", "hit_home_in_progress", **fields)
    assert 'class="error"' in page
    assert fields["note"] in page
    assert fields["next_on"] in page
    assert history(session, world, "hit_home_in_progress") == []


@pytest.mark.parametrize("on", ["2026-10-01", "2999-01-01"])
def test_a_conversion_lies_between_the_hit_and_today(
    session: Session, world: World, marketer: Person, on: str
) -> None:
    page = take(marketer, world, "convert", "hit_home_in_progress", on=on)
    assert "The date must lie between the hit date (2026-10-16) and today." in page
    assert of(session, world, "hit_home_in_progress").status == "in_progress"


def test_a_colleague_sees_the_hit_but_does_not_work_it(
    session: Session, world: World, marketer: Person, colleague: Person
) -> None:
    name = "hit_home_in_progress"
    act(marketer, world, "claim", "hit_home_waiting")
    take(marketer, world, "follow_up", name, note="谈过", next_on=clock.today() + dt.timedelta(days=1))
    page = colleague.get(f"/hitview/show/{world.ids[name]}").text
    assert "/work/" not in page
    for step in ("claim", "start", "close"):
        act(colleague, world, step, "hit_home_waiting")
    take(colleague, world, "convert", name, on=dt.date(2026, 10, 20))
    assert of(session, world, name).status == "in_progress"
    assert of(session, world, "hit_home_waiting").status == "waiting"
    assert {row[3] for row in history(session, world, "hit_home_waiting")} == {"anna"}


def test_a_manager_gives_hits_to_who_sees_them(session: Session, world: World, manager: Person) -> None:
    make_staff(session, "far", "Marketer", branch=world.away)
    make_staff(session, "gone", "Marketer", branch=world.home)
    gone = staff(session, "gone")
    gone.active = False
    session.commit()

    def give(name: str, to: str) -> Any:
        data = {"action": "assign", "rowid": [world.ids[name]], "choice_assign": staff(session, to).id}
        return manager.submit("/hitview/action_post", data, follow_redirects=True).text

    assert "1 customer assigned" in give("hit_home_waiting", "worker")
    page = manager.get("/customerview/list/").text
    assert f"人工 ({world.home.name}, customers: 1)" in page
    assert f"测试 ({world.away.name}, customers: 0)" in page
    assert "already assigned to" in give("hit_home_in_progress", "worker")
    assert f"客户HOME belongs to {world.home.name}, which 测试" in give("hit_home_in_progress", "far")
    assert "Choose an assignee" in give("hit_home_in_progress", "gone")
    assert [of(session, world, f"hit_home_{s}").owner_id for s in ("waiting", "in_progress", "failed")] == [
        world.ids["worker"],
        world.ids["worker"],
        None,
    ]
    assert history(session, world, "hit_home_waiting") == [
        ("assign", "waiting", "waiting", "chief", "worker")
    ]


def test_who_must_not_be_disturbed_is_not_contacted(session: Session, world: World, marketer: Person) -> None:
    session.execute(text("UPDATE hit SET opted_out = true"))
    session.commit()
    for step in ("claim", "start"):
        page = marketer.submit(
            f"/hitview/action/{step}/{world.ids['hit_home_waiting']}", follow_redirects=True
        ).text
        assert "do-not-disturb list" in page
    assert history(session, world, "hit_home_waiting") == []


def test_steps_are_never_changed_and_go_only_with_their_hit(
    session: Session, world: World, marketer: Person
) -> None:
    act(marketer, world, "claim", "hit_home_waiting")
    for statement in ("UPDATE hit_event SET note = 'x'", "DELETE FROM hit_event"):
        with pytest.raises(DBAPIError, match="never changed"):
            session.execute(text(statement))
        session.rollback()
    session.execute(text("DELETE FROM lead WHERE id = :id"), {"id": world.ids["lead_home"]})
    assert session.scalar(select(HitEvent.id)) is None


def test_hits_are_assigned_by_branch_and_workload(app: Flask, session: Session, world: World) -> None:
    """The sub-branch comes first, then the one above; nobody exceeds the limit or gets foreign hits."""
    second = make_staff(session, "second", "Marketer", branch=world.home)
    with app.app_context():
        assert assignment.auto_assign(NOW) == 0
        settings.store({"auto_assign": True, "respond_days": 2}, "chief")
        db.session.commit()
        assert assignment.auto_assign(NOW) == 2
        assert assignment.auto_assign(NOW) == 0
    owners = {name: of(session, world, f"hit_{name}_waiting").owner_id for name in ("home", "sub", "away")}
    # The first went to who had none, the other, of the sub-branch without marketers, to either.
    assert owners["away"] is None
    assert world.ids["worker"] in owners.values()
    assert set(owners.values()) <= {None, world.ids["worker"], second.id}
    assert of(session, world, "hit_home_waiting").next_on == dt.date(2026, 11, 4)
    assert history(session, world, "hit_sub_waiting")[0][:4] == ("assign", "waiting", "waiting", "system")


def test_nobody_is_handed_more_than_the_limit(app: Flask, session: Session, world: World) -> None:
    with app.app_context():
        settings.store({"auto_assign": True, "most_open": 1}, "chief")
        db.session.commit()
        assert assignment.auto_assign(NOW) == 1


def test_what_nobody_came_back_to_reaches_the_managers(
    app: Flask, session: Session, world: World, marketer: Person, manager: Person
) -> None:
    owner = staff(session, "anna").id
    day = dt.date(2026, 11, 2)
    for name, late in (("lead_home", 3), ("lead_sub", 2)):
        values = {"who": owner, "on": day - dt.timedelta(days=late), "lead": world.ids[name]}
        session.execute(text("UPDATE customer SET owner_id = :who, next_on = :on WHERE id = :lead"), values)
    session.commit()
    with app.app_context():
        assert due.escalate(NOW) == 1
        assert due.escalate(NOW) == 0
    assert of(session, world, "hit_home_waiting").escalated_at == NOW
    page = manager.get("/myworkview/list/?show=escalated").text
    assert "L1001" in page
    assert "Escalated" not in marketer.get("/myworkview/list/").text
    act(marketer, world, "start", "hit_home_waiting")
    assert of(session, world, "hit_home_waiting").escalated_at is None
    assert [row[0] for row in history(session, world, "hit_home_waiting")] == ["escalate", "start"]


def test_the_filters_of_work_mean_what_they_say(session: Session, world: World, marketer: Person) -> None:
    act(marketer, world, "claim", "hit_home_waiting")

    def rows(query: str) -> int:
        return marketer.get(f"/hitview/list/?{query}").text.count('class="check" name="rowid"')

    assert rows("") == 6
    assert rows("_flt_0_work=mine") == 2
    assert rows("_flt_0_work=mine_due") == 0
    assert rows("_flt_0_work=unclaimed") == 1
    assert rows("_flt_0_work=contacted") == 4
    assert rows(f"_flt_0_branch={world.ids['home']}") == 6
    assert rows("_flt_0_source=官网预约") == 6
    assert rows("_flt_0_source=none") == 0
    assert marketer.get("/hitview/list/?_flt_0_work=x").status_code == 400
    assert marketer.get(f"/hitview/list/?_flt_0_branch={world.ids['away']}").status_code == 400


def test_the_holdout_group_is_left_alone(
    app: Flask, session: Session, world: World, marketer: Person
) -> None:
    session.execute(text("UPDATE hit SET holdout = true"))
    session.commit()
    page = marketer.submit(
        f"/hitview/action/start/{world.ids['hit_home_waiting']}", follow_redirects=True
    ).text
    assert "holdout group" in page
    with app.app_context():
        settings.store({"auto_assign": True}, "chief")
        db.session.commit()
        assert assignment.auto_assign(NOW) == 0
