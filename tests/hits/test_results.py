"""How a contact ended: what each result does, calls agreed with customers, and whether a call is allowed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.coldstart import apply_presets
from app.extensions import db
from app.models import (
    CloseReason,
    ContactResult,
    Customer,
    Delivery,
    DeliveryAttempt,
    Hit,
    HitEvent,
    Holiday,
    Lead,
    Outreach,
    OutreachSetting,
    Push,
    PushHit,
    Reminder,
    Reveal,
    RuleVersion,
    Schedule,
    Suppression,
    Target,
)
from app.outreach.compliance import called_by_hand
from app.reminders import checks
from tests import clock
from tests.access.world import World, active_rule, hit, lead
from tests.conftest import Person
from tests.database import unguarded

ANY_TIME = {"open_from": "00:00", "open_to": "24:00"}


@pytest.fixture
def anna(login: Callable[..., Person], world: World, app: Any, session: Session) -> Person:
    """Return a marketer of a bank with the preset results and contact hours all day."""
    session.execute(update(OutreachSetting).values(values=ANY_TIME | {"skip_holidays": False}))
    session.commit()
    with app.app_context():
        apply_presets()
        db.session.commit()
    return login("Marketer", branch=world.home, username="anna")


def end(person: Person, world: World, session: Session, name: str, **fields: Any) -> str:
    """Record the result with a name on the waiting hit of the home branch."""
    key = session.scalars(select(ContactResult.id).where(ContactResult.name == name)).one()
    data = {f"follow_up-{field}": value for field, value in (fields | {"result": key}).items()}
    path = f"/hitview/work/{world.ids['hit_home_waiting']}/follow_up"
    page = str(person.submit(path, data, follow_redirects=True).text)
    session.expire_all()
    return page


def customer(session: Session, world: World) -> Customer:
    return session.get_one(Customer, world.ids["lead_home"])


def statuses(session: Session, world: World) -> list[str]:
    names = ("hit_home_waiting", "hit_home_in_progress")
    return [session.get_one(Hit, world.ids[name]).status for name in names]


def test_my_work_says_what_was_done_today_and_opens_the_customers(
    session: Session, world: World, anna: Person, login: Callable[..., Person]
) -> None:
    def done(person: Person) -> dict[str, str]:
        told = person.get("/myworkview/list/").text.partition('class="desk-done"')[2].partition("</p>")[0]
        return {words: unescape(url) for url, words in re.findall(r'<a href="([^"]*)">([^<]*)</a>', told)}

    assert done(anna) == {}
    closed = end(anna, world, session, "接通无意向")
    links = done(anna)
    assert list(links) == ["result of 1 customer", "1 closed"]
    for url in links.values():
        page = anna.get(url).text
        assert "1 customer ·" in page
        assert "L1001" in page
    assert done(login("Manager", username="boss")) == {}, "it is the day of one person"
    undone(anna, closed)
    assert done(anna) == {}, "what was taken back is not done"


def test_a_result_takes_the_customer_and_plans_the_next_contact(
    session: Session, world: World, anna: Person
) -> None:
    page = end(anna, world, session, "接通考虑中")
    found = customer(session, world)
    assert found.owner is not None
    assert (found.owner.username, found.next_on) == ("anna", clock.today() + dt.timedelta(days=3))
    assert statuses(session, world) == ["in_progress", "in_progress"]
    assert "Saved: 客户HOME, Considering." in page
    # A date that somebody chose counts, and the list says how the last contact ended.
    later = clock.today() + dt.timedelta(days=9)
    end(anna, world, session, "接通有意向", next_on=later, note="下周面谈")
    assert customer(session, world).next_on == later
    assert "Interested" in anna.get("/customerview/list/").text
    # Without a result there has to be a note.
    path = f"/hitview/work/{world.ids['hit_home_waiting']}/follow_up"
    count = select(func.count()).select_from(HitEvent)
    before = session.scalar(count)
    assert (
        "Describe the conversation" in anna.submit(path, {"follow_up-note": ""}, follow_redirects=True).text
    )
    session.rollback()
    assert session.scalar(count) == before


def test_an_agreed_call_rings_until_it_is_made(
    session: Session, world: World, anna: Person, app: Any
) -> None:
    assert "State the day and the time" in end(anna, world, session, "约定回电", call_on=clock.today())
    yesterday = clock.today() - dt.timedelta(days=1)
    over = end(anna, world, session, "约定回电", call_on=yesterday, call_at="10:00")
    assert "Day of the agreed call</a>: This day is over" in over
    # Outside contact hours the next moment inside them is proposed, as in the fields at first.
    tomorrow = clock.today() + dt.timedelta(days=1)
    nine = {"open_from": "09:00", "open_to": "20:00", "skip_holidays": False}
    session.execute(update(OutreachSetting).values(values=nine))
    session.commit()
    late = end(anna, world, session, "约定回电", call_on=tomorrow, call_at="08:30")
    assert re.search(r"from 09:00 to 20:00. The next moment allowed is [0-9-]{10} 09:00", late)
    late = end(anna, world, session, "约定回电", call_on=tomorrow, call_at="20:30")
    assert "Time of the agreed call</a>: Customers may be contacted from 09:00 to 20:00" in late
    session.add(Holiday(date=tomorrow, kind="holiday", name="节", updated_by="x"))
    session.execute(update(OutreachSetting).values(values=nine | {"skip_holidays": True}))
    session.commit()
    closed = end(anna, world, session, "约定回电", call_on=tomorrow, call_at="10:30")
    assert "Day of the agreed call</a>: Customers may not be contacted on that day" in closed
    session.execute(update(OutreachSetting).values(values=nine))
    session.commit()
    shown = anna.get(f"/customerview/show/{world.ids['lead_home']}").text
    [control] = re.findall(r'<input[^>]*name="follow_up-call_at"[^>]*>', shown)
    assert re.search(r'value="(09|1[0-9]):[0-5][0-9]', control), control
    session.execute(update(OutreachSetting).values(values=ANY_TIME | {"skip_holidays": False}))
    session.commit()
    assert customer(session, world).call_back_at is None
    at = clock.now() + dt.timedelta(hours=1)
    local = at.astimezone(app.config["SETTINGS"].zone)
    end(anna, world, session, "约定回电", call_on=local.date(), call_at=f"{local:%H:%M}")
    found = customer(session, world)
    assert found.call_back_at == at.replace(second=0, microsecond=0)
    assert found.next_on == local.date()

    def rings(moment: dt.datetime) -> list[bool]:
        with app.app_context():
            checks.run_checks(moment)
        query = select(Reminder.read_at.is_(None)).where(Reminder.kind == "call_back")
        session.rollback()
        return list(session.scalars(query))

    assert rings(clock.now()) == []
    assert rings(at) == [True]
    assert rings(at) == [True]
    end(anna, world, session, "未接")
    assert customer(session, world).call_back_at is None
    assert rings(at) == [False]


def test_a_result_that_ends_the_work_closes_every_open_hit(
    session: Session, world: World, anna: Person
) -> None:
    end(anna, world, session, "拒绝并免打扰")
    assert statuses(session, world) == ["failed", "failed"]
    found = customer(session, world)
    assert (found.state, found.owner_id) == ("done", None)
    reasons = session.scalars(select(Suppression.reason).where(Suppression.id_hash == found.lead.id_hash))
    assert reasons.one() == "拒绝营销"
    results = select(ContactResult.name).join(HitEvent, HitEvent.result_id == ContactResult.id)
    assert session.scalars(results).all() == ["拒绝并免打扰"] * 2


def test_a_call_that_a_rule_forbids_is_off_and_a_manager_lets_an_agreed_one_pass(
    session: Session, world: World, anna: Person, login: Callable[..., Person]
) -> None:
    chief, lead = login("Manager", username="chief"), world.ids["lead_home"]
    page, number = f"/customerview/show/{lead}", f"/leadview/reveal/{lead}"
    call = {"reason": "致电客户", "purpose": "call"}
    assert "May be called and written to now" in anna.get(page).text
    assert anna.submit(number, call).status_code == 200

    session.add(Holiday(date=clock.today(), kind="holiday", name="假日", updated_by="x"))
    session.execute(update(OutreachSetting).values(values=ANY_TIME))
    session.commit()
    shown = anna.get(page).text
    assert "Not to be contacted now: Outside contact hours, possible from " in shown
    assert f"/customerview/contact_one/{lead}/sms" not in shown
    refused = anna.submit(number, call)
    assert (refused.status_code, "Outside contact hours" in refused.text) == (400, True)
    assert anna.submit(number, {"reason": "客户来电", "purpose": ""}).status_code == 200
    assert session.scalar(select(func.count()).select_from(Reveal)) == 2

    allow = f"/customerview/allow_call/{lead}"
    assert "Only a manager" in chief.submit(allow, {"reason": "客户约定"}, follow_redirects=True).text
    found = customer(session, world)
    found.call_back_at = clock.now()
    session.commit()
    assert "Give a reason" in chief.submit(allow, {"reason": ""}, follow_redirects=True).text
    assert anna.submit(allow, {"reason": "客户约定"}).status_code in (302, 403)
    assert anna.submit(number, call).status_code == 400
    assert allow in chief.get(page).text
    chief.submit(allow, {"reason": "客户约定今晚"})
    shown = anna.get(page).text
    assert "allowed a call outside contact hours today: 客户约定今晚" in shown
    # What the product sends waits for contact hours all the same.
    assert f"/customerview/contact_one/{lead}/call" not in shown
    assert anna.submit(number, call).status_code == 200


def test_calls_by_hand_count_towards_caps(session: Session, world: World, anna: Person) -> None:
    lead, page = world.ids["lead_home"], f"/customerview/show/{world.ids['lead_home']}"
    capped = ANY_TIME | {"skip_holidays": False, "call_cap": 2, "call_days": 7, "total_cap": 3}
    session.execute(update(OutreachSetting).values(values=capped))
    session.commit()
    placed = session.get_one(Outreach, world.ids["contact"])
    same = {"id_hash": customer(session, world).lead.id_hash, "channel": "call", "status": "no_answer"}
    values = same | {"reserved_at": clock.now() - dt.timedelta(hours=1)}
    session.execute(update(Outreach).where(Outreach.id == placed.id).values(values))
    session.commit()
    end(anna, world, session, "未接")
    assert "May be called and written to now" in anna.get(page).text, "one call, and its result by hand"
    engine: Any = session.get_bind()
    earlier = "UPDATE outreach SET reserved_at = %(at)s WHERE id = %(id)s"
    unguarded(engine, earlier, at=clock.now() - dt.timedelta(days=3), id=placed.id)
    shown = anna.get(page).text
    freed = clock.today() - dt.timedelta(days=3 - 7)
    assert f"Not to be called now: Frequency cap of the channel reached, possible from {freed}" in shown
    assert "May be written to now" in shown
    refused = anna.submit(f"/leadview/reveal/{lead}", {"reason": "致电客户", "purpose": "call"})
    assert refused.status_code == 400
    end(anna, world, session, "接通考虑中")
    shown = anna.get(page).text
    assert "Not to be written to now: Frequency cap of all channels reached" in shown
    assert "Considering" in shown, "results have English names"


def test_page_and_number_judge_by_the_same_hit(session: Session, world: World, anna: Person) -> None:
    lead, kept_out = world.ids["lead_home"], world.ids["hit_home_in_progress"]
    session.execute(update(Hit).where(Hit.id == kept_out).values(holdout=True))
    session.commit()
    number = f"/leadview/reveal/{lead}"
    workable = customer(session, world).hit_id

    def call(path: str) -> tuple[str, int, int]:
        shown = anna.get(path).text
        found = re.search(r'name="hit" value="([0-9]+)"', shown)
        hit = int(found[1]) if found else 0
        answer = anna.submit(number, {"reason": "致电客户", "purpose": "call", "hit": hit})
        return shown, hit, answer.status_code

    shown, hit, status = call(f"/customerview/show/{lead}?hit={kept_out}")
    assert "May be called and written to now" in shown
    assert (hit, status) == (workable, 200)
    shown, hit, status = call(f"/hitview/show/{kept_out}")
    assert "In a holdout group" in shown
    assert (hit, status) == (kept_out, 400)


def undone(person: Person, page: str, **changed: Any) -> str:
    """Press the button that takes back what a page says was recorded."""
    form = re.search(r'action="(/hitview/undo/[0-9]+)".*?</form>', page, re.DOTALL)
    assert form is not None, page
    fields = dict(re.findall(r'name="(event|page|queue)" value="([^"]*)"', form[0]))
    return str(person.submit(form[1], fields | changed, follow_redirects=True).text)


def state(session: Session, world: World) -> list[Any]:
    """Return what a result can change of a customer."""
    session.expire_all()
    found = customer(session, world)
    of_hits = select(
        *(Hit.id, Hit.status, Hit.owner_id, Hit.next_on, Hit.opted_out, Hit.amount, Hit.product_id),
        *(Hit.converted_at, Hit.close_reason_id),
    )
    hits = session.execute(of_hits.where(Hit.lead_id == found.id).order_by(Hit.id)).all()
    in_force = select(Suppression.id).where(Suppression.removed_at.is_(None)).order_by(Suppression.id)
    return [
        *(found.owner_id, found.owned_since, found.next_on, found.call_back_at, found.state, found.open_hits),
        *(found.lead.opted_out, hits, session.scalars(in_force).all()),
    ]


def test_every_result_and_a_conversion_can_be_taken_back(
    session: Session, world: World, anna: Person, app: Any
) -> None:
    soon = (clock.now() + dt.timedelta(hours=1)).astimezone(app.config["SETTINGS"].zone)
    call = {"call_on": soon.date(), "call_at": f"{soon:%H:%M}"}
    # A call agreed before comes back with the rest.
    end(anna, world, session, "约定回电", **call)
    before = state(session, world)
    assert customer(session, world).call_back_at is not None
    names = session.scalars(select(ContactResult.name).order_by(ContactResult.position)).all()
    assert len(names) == 8
    for name in names:
        page = end(anna, world, session, name, **(call if name == "约定回电" else {}))
        assert (state(session, world) != before) or name == "约定回电", name
        shown = undone(anna, page)
        assert state(session, world) == before, name
        english = session.scalars(select(ContactResult.name_en).where(ContactResult.name == name)).one()
        assert f"Taken back: {english}" in shown
        assert "already been taken back" in undone(anna, page)
    path = f"/hitview/work/{world.ids['hit_home_waiting']}/convert"
    data = {"convert-product": world.ids["product"], "convert-on": clock.today(), "convert-amount": "100"}
    page = anna.submit(path, data, follow_redirects=True).text
    assert "converted" in statuses(session, world)
    assert "Taken back: Converted" in undone(anna, page)
    assert state(session, world) == before
    # What was recorded stays in the history, and no longer counts as a contact.
    recorded = select(func.count()).select_from(HitEvent).where(HitEvent.result_id.is_not(None))
    assert (session.scalar(recorded.where(HitEvent.kind != "undo")) or 0) >= len(names)
    removed = session.scalars(select(Suppression.removal_reason).where(Suppression.removed_by == "anna"))
    assert removed.all() == ["taken back"]
    list_ = anna.get("/customerview/list/").text
    assert "Call back agreed" in list_
    assert "Refused, do not disturb" not in list_


def test_a_result_stays_when_something_happened_since_or_it_is_old_or_another_persons(
    session: Session, world: World, anna: Person, login: Callable[..., Person]
) -> None:
    bert, chief = (
        login("Marketer", branch=world.home, username="bert"),
        login("Manager", username="chief"),
    )
    listed = end(anna, world, session, "拒绝并免打扰")
    assert "nothing of yours" in undone(bert, listed)
    assert "nothing of yours" in undone(anna, listed, event="x")
    chief.submit(f"/hitview/undo/{world.ids['hit_home_waiting']}", {"event": "1"})
    assert statuses(session, world) == ["failed", "failed"]
    undone(anna, listed)
    page = end(anna, world, session, "未接")
    chief.submit(f"/customerview/action/give_back/{world.ids['lead_home']}")
    assert "was changed by 测试 since" in undone(anna, page)
    page = end(anna, world, session, "接通考虑中")
    shift = text("ALTER TABLE hit_event DISABLE TRIGGER USER")
    session.execute(shift)
    session.execute(update(HitEvent).values(at=HitEvent.at - dt.timedelta(minutes=11)))
    session.execute(text("ALTER TABLE hit_event ENABLE TRIGGER USER"))
    session.commit()
    assert "more than 10 minutes ago" in undone(anna, page)


def pressed(person: Person, page: str) -> str:
    """Press the button of a message about several hits or customers."""
    form = re.search(r'action="(/hitview/undo_many)".*?</form>', page, re.DOTALL)
    assert form is not None, page
    events = re.findall(r'name="event" value="([^"]*)"', form[0])
    return str(person.submit(form[1], {"event": events}, follow_redirects=True).text)


@pytest.mark.parametrize(
    ("view", "rows", "done"),
    [
        ("hitview", ("hit_home_waiting", "hit_home_in_progress", "hit_other"), "3 steps taken back."),
        ("customerview", ("lead_home", "lead_other"), "2 steps taken back."),
    ],
)
def test_closing_many_is_taken_back_at_once(
    app: Any, session: Session, world: World, anna: Person, view: str, rows: tuple[str, ...], done: str
) -> None:
    """Also several hits of one customer, and do not disturb; what somebody changed since stays."""
    other = lead(app.config["SETTINGS"], 50, world.home)
    session.add(other)
    session.flush()
    one = hit(other, session.get_one(RuleVersion, world.ids["version"]), "waiting")
    session.add(one)
    session.flush()
    ids = world.ids | {"lead_other": other.id, "hit_other": one.id}
    reason = session.get_one(CloseReason, world.ids["close_reason"])
    reason.refusal = True
    session.commit()
    end(anna, world, session, "接通考虑中")
    before = state(session, world)
    many = {"action": "close", "rowid": [ids[name] for name in rows], "choice_close": reason.id}

    def close() -> str:
        return str(anna.submit(f"/{view}/action_post", many, follow_redirects=True).text)

    page = close()
    assert state(session, world) != before
    assert (customer(session, world).lead.opted_out, one.status) == (True, "failed")
    assert done in pressed(anna, page)
    assert state(session, world) == before
    assert one.status == "waiting"
    assert "already been taken back" in pressed(anna, page)
    page = close()
    moved = {"kind": "reopen", "from_status": "failed", "to_status": "failed", "person": "bert"}
    session.add(HitEvent(hit_id=one.id, **moved))
    session.commit()
    assert "was changed by bert since" in pressed(anna, page)
    session.expire_all()
    assert "failed" not in statuses(session, world)
    assert (customer(session, world).lead.opted_out, other.opted_out, one.status) == (False, True, "failed")


def push(session: Session, hit: int, kind: str, status: str, **attempt: Any) -> None:
    """Push a hit to a target, with an attempt just now if there was any."""
    moment = clock.now()
    code = f"system-{hit}"
    schedule = Schedule(code=code, name=code, status="active")
    target = Target(code=code, kind=kind, name="客户系统", created_by="t")
    session.add(schedule)
    session.flush()
    row = Push(schedule_id=schedule.id, is_test=True, slot=moment, at=moment, outcome="send", hits=1)
    session.add_all([target, row])
    session.flush()
    delivery = Delivery(uid=code, idempotency_key=code, push_id=row.id, target_id=target.id, status=status)
    delivery.first_hit = delivery.last_hit = hit
    session.add_all([delivery, PushHit(schedule_id=schedule.id, hit_id=hit, push_id=row.id)])
    session.flush()
    if attempt:
        session.add(DeliveryAttempt(delivery_id=delivery.id, tried_at=moment, duration_ms=1, **attempt))
    session.commit()


@pytest.mark.parametrize(
    ("kind", "status", "attempt", "told"),
    [
        ("webhook", "sent", {"outcome": "ok", "http_status": 200}, True),
        ("file", "sent", {"outcome": "ok"}, True),
        ("webhook", "waiting", {"outcome": "temporary"}, True),
        ("webhook", "sending", {}, True),
        ("webhook", "waiting", {"outcome": "temporary", "http_status": 503}, False),
        ("webhook", "waiting", {}, False),
        ("reminder", "sent", {"outcome": "ok"}, False),
    ],
)
def test_what_another_system_has_been_told_is_not_taken_back(
    session: Session, world: World, anna: Person, kind: str, status: str, attempt: dict[str, Any], told: bool
) -> None:
    page = end(anna, world, session, "接通考虑中")
    push(session, world.ids["hit_home_waiting"], kind, status, **attempt)
    shown = undone(anna, page)
    assert ("“客户系统” has been told of this" in shown) == told
    assert (statuses(session, world)[0] == "in_progress") == told


def test_do_not_disturb_is_told_with_any_hit_of_the_customer(
    session: Session, world: World, anna: Person
) -> None:
    """What was told before, or a follow-up that leaves the status, doesn't matter."""
    other = world.ids["hit_home_in_progress"]
    session.execute(update(Hit).where(Hit.id == other).values(status="failed"))
    session.commit()
    end(anna, world, session, "未接")
    push(session, world.ids["hit_home_waiting"], "webhook", "sent", outcome="ok", http_status=200)
    assert "Taken back" in undone(anna, end(anna, world, session, "接通考虑中"))
    page = end(anna, world, session, "拒绝并免打扰")
    push(session, other, "webhook", "sent", outcome="ok", http_status=200)
    assert "has been told of this" in undone(anna, page)
    assert statuses(session, world) == ["failed", "failed"]


def test_a_wrong_number_marks_the_customer_until_another_contact(
    session: Session, world: World, anna: Person
) -> None:
    for name, marked in (("空号/停机", True), ("接通考虑中", False), ("非本人", True)):
        end(anna, world, session, name)
        page = anna.get(f"/customerview/show/{world.ids['lead_home']}").text
        assert ("Number to be checked" in page) == marked
        assert ("Number to be checked" in anna.get("/customerview/list/?_flt_0_state=all").text) == marked
        opened = {"status": "in_progress", "close_reason_id": None}
        session.execute(update(Hit).where(Hit.id == world.ids["hit_home_waiting"]).values(opened))
        session.commit()


def of_customer(person: Person, world: World, step: str, **fields: Any) -> str:
    """Take a step on the page of the customer, shown with the waiting hit."""
    data = {f"{step}-{name}": value for name, value in fields.items()} | {"page": "customer"}
    path = f"/hitview/work/{world.ids['hit_home_waiting']}/{step}"
    return str(person.submit(path, data, follow_redirects=True).text)


def test_on_the_page_of_a_customer_closing_closes_every_open_hit(
    session: Session, world: World, anna: Person
) -> None:
    end(anna, world, session, "接通考虑中")
    before = state(session, world)
    shown = anna.get(f"/customerview/show/{world.ids['lead_home']}").text
    assert "Concerns all 2 open hits of the customer." in shown
    assert "Close all 2 hits" in shown
    of_hit = anna.get(f"/hitview/show/{world.ids['hit_home_waiting']}").text
    assert "Concerns this hit only; the customer has 2 open hits." in of_hit
    page = of_customer(anna, world, "close", reason=world.ids["close_reason"], note="换了银行")
    session.expire_all()
    assert statuses(session, world) == ["failed", "failed"]
    assert customer(session, world).state == "done"
    assert "客户HOME: Closed." in page
    undone(anna, page)
    assert state(session, world) == before


def test_on_the_page_of_a_customer_a_purchase_converts_the_open_hits_that_it_fits(
    session: Session, world: World, anna: Person
) -> None:
    end(anna, world, session, "接通考虑中")
    before = state(session, world)
    bought = {"product": world.ids["product"], "on": clock.today(), "amount": "100"}
    page = of_customer(anna, world, "convert", **bought)
    session.expire_all()
    assert statuses(session, world) == ["converted", "converted"]
    hits = [session.get_one(Hit, world.ids[name]) for name in ("hit_home_waiting", "hit_home_in_progress")]
    assert [(hit.amount, hit.product_id) for hit in hits] == [
        (100, world.ids["product"]),
        (None, world.ids["product"]),
    ]
    undone(anna, page)
    assert state(session, world) == before


def test_a_hit_whose_rule_does_not_count_the_purchase_stays_open_for_later(
    session: Session, world: World, anna: Person
) -> None:
    """The hit that is shown counts another product: the other hit converts, and the customer isn't due."""
    end(anna, world, session, "接通考虑中", next_on=clock.today())
    before = state(session, world)
    _rule, version = active_rule(session, "R-DEP")
    version.products = ["DEP"]
    shown = session.get_one(Hit, world.ids["hit_home_waiting"])
    shown.version_id, shown.rule_id = version.id, version.rule_id
    session.commit()
    page = of_customer(anna, world, "convert", product=world.ids["product"], on=clock.today())
    session.expire_all()
    assert statuses(session, world) == ["in_progress", "converted"]
    found = customer(session, world)
    assert (found.state, found.next_on) == ("open", clock.today() + dt.timedelta(days=3))
    undone(anna, page)
    assert state(session, world) == before


def test_a_call_counts_for_the_person_whatever_others_were_called(
    session: Session, world: World, anna: Person, app: Any
) -> None:
    """The gateway's call of somebody else doesn't hide it; that of a deleted lead of the person counts."""
    end(anna, world, session, "未接")
    placed = session.get_one(Outreach, world.ids["contact"])
    others = {"id_hash": "f" * 64, "phone_index": "f" * 64, "channel": "call", "status": "no_answer"}
    values = others | {"reserved_at": clock.now() - dt.timedelta(hours=1)}
    session.execute(update(Outreach).where(Outreach.id == placed.id).values(values))
    session.commit()
    person = customer(session, world).lead
    calls = called_by_hand(Lead).with_only_columns(func.count(HitEvent.at)).scalar_subquery()
    number = select(Lead.id, calls)
    assert dict(session.execute(number.where(Lead.id == person.id)).tuples().all()) == {person.id: 1}
    assert list(session.scalars(called_by_hand(person)))
    again = lead(app.config["SETTINGS"], 60, world.home)
    again.id_hash, person.deleted_at = person.id_hash, clock.now()
    session.add(again)
    session.commit()
    assert dict(session.execute(number.where(Lead.id == again.id)).tuples().all()) == {again.id: 1}


STRANGERS = """
    INSERT INTO lead (lead_no, name, id_hash, phone_cipher, phone_index, phone_masked)
    SELECT 'S' || n, '客', lpad(to_hex(n), 64, '0'), '', lpad(to_hex(n), 64, '0'), ''
    FROM generate_series(1, 5000) n
"""
THEIR_HITS = """
    INSERT INTO hit (rule_id, version_id, lead_id, hit_date, values, score, grade, evidence, last_met_on,
                     made_on)
    SELECT v.rule_id, v.id, l.id, '2026-01-01', '{1}', 1, 'A', '{}', '2026-01-01', '2026-01-01'
    FROM lead l, (SELECT id, rule_id FROM rule_version LIMIT 1) v WHERE l.lead_no LIKE 'S%'
"""
THEIR_EVENTS = """
    INSERT INTO hit_event (hit_id, kind, from_status, to_status, person)
    SELECT h.id, 'status', 'new', 'contacted', 'system' FROM hit h JOIN lead l ON l.id = h.lead_id
    WHERE l.lead_no LIKE 'S%'
"""


def test_the_hits_of_a_person_are_found_by_indexes(session: Session, world: World) -> None:
    """A batch asks for each candidate; reading all leads for one takes a second at 5 million."""
    session.execute(text(STRANGERS))
    session.execute(text(THEIR_HITS))
    session.execute(text(THEIR_EVENTS))
    session.execute(text("ANALYZE lead, hit, hit_event, outreach"))
    session.execute(text("SET LOCAL enable_seqscan = off"))
    query = called_by_hand(session.get_one(Lead, world.ids["lead_home"]))
    words = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    plan = "\n".join(session.scalars(text("EXPLAIN " + str(words).replace(":", "\\:"))))
    for index in ("ix_lead_phone_index", "ix_lead_deleted_id_hash", "ix_hit_event_hit"):
        assert index in plan
