"""Batches on the screens: selected, checked, confirmed or approved, sent, paused, cancelled."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.extensions import db
from app.hits.owner import OPEN
from app.jobs import ticker
from app.jobs.locks import Lock
from app.leads import suppression
from app.models import (
    AccountTaint,
    Approval,
    CloseReason,
    Customer,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    SandboxMessage,
    Staff,
)
from app.outreach import batches, results, sending
from tests import clock
from tests.conftest import Person
from tests.outreach.conftest import Bank


def test_from_ticked_hits_to_customers(bank: Bank, manager: Person, session: Session) -> None:
    going, away = bank.ids["hit_home_waiting"], bank.ids["hit_away_waiting"]
    failed = bank.ids["hit_home_failed"]
    ticked = manager.submit("/hitview/action_post", {"action": "sms", "rowid": [going, away, failed]})
    assert ticked.status_code == 302
    start = manager.get(ticked.headers["Location"]).text
    assert "沙箱" in start
    batch = bank.posted(manager, ticked.headers["Location"])
    page = manager.get(f"/outreachbatchview/show/{batch}").text
    assert "尊敬的客先生/女士，HOME 支行邀您了解新额度。拒收请回复R" in page, "the preview is a real row"
    told, _heading, rows = page.partition("<h2>部分明细")
    assert "客户HOME" not in told, "names are masked in texts"
    assert re.search(r'<a href="/leadview/show/\d+">L1001 客户HOME</a>.*>命中状态不在触达范围', rows)
    assert bank.outcomes(batch) == {
        going: ("queued", ""),
        away: ("queued", ""),
        failed: ("held", "hit_status"),
    }
    assert bank.send() == 0, "nothing goes before it is confirmed"
    assert "批次正在后台发送" in bank.confirm(manager, batch).text
    bank.send()
    assert bank.outcomes(batch)[going] == ("sent", "")
    assert bank.batch(batch).status == "done"
    assert bank.hit(going).status == "in_progress"
    assert bank.hit(failed).status == "failed"
    sent = session.scalars(select(SandboxMessage).order_by(SandboxMessage.id)).all()
    assert {message.phone_masked for message in sent} == {"138****0001", "138****0002"}
    outbox = manager.get("/sandboxmessageview/list/").text
    assert "HOME 支行邀您了解新额度" in outbox
    assert "没有任何内容送达客户" in outbox


def test_a_filter_chooses_what_the_list_shows(bank: Bank, login: Callable[..., Person]) -> None:
    manager = login("Manager")
    hits = bank.people(3, grade="A")
    batch = bank.posted(manager, "/hitview/contact_many/sms?_flt_1_grade=A")
    assert set(bank.outcomes(batch)) == set(hits)
    assert manager.get("/hitview/contact_many/sms?_flt_0_hit_date=x").status_code == 200
    refused = manager.submit(
        "/hitview/contact_many/sms?_flt_0_hit_date=x", {"template": bank.templates["sms"].id}
    )
    assert refused.status_code == 400
    nobody = manager.submit(
        "/hitview/contact_many/sms?_flt_1_grade=D", {"template": bank.templates["sms"].id, "name": "D"}
    )
    assert "No hit is selected" in nobody.text


def test_the_first_hit_of_a_person_goes(bank: Bank, manager: Person) -> None:
    bank.rules(excluded_hit_statuses=[])
    one, two = bank.ids["hit_home_waiting"], bank.ids["hit_home_in_progress"]
    batch = bank.start(manager, [one, two])
    assert Counter(bank.outcomes(batch).values()) == {("queued", ""): 1, ("held", "twice"): 1}


def test_a_marketer_contacts_one_customer_of_their_own(bank: Bank, login: Callable[..., Person]) -> None:
    marketer = login("Marketer", branch=bank.world.home, language="zh")
    own, foreign = bank.ids["hit_home_waiting"], bank.ids["hit_away_waiting"]
    assert marketer.get(f"/hitview/contact_one/{foreign}/sms").status_code == 404
    assert marketer.get(f"/hitview/contact_many/sms?ids={own}").status_code == 403
    assert f"/hitview/contact_one/{own}/sms" in marketer.get(f"/hitview/show/{own}").text
    batch = bank.posted(marketer, f"/hitview/contact_one/{own}/call", "call")
    assert bank.batch(batch).error is None
    bank.confirm(marketer, batch)
    bank.send()
    assert bank.outcomes(batch) == {own: ("sent", "")}
    other = login("Marketer", branch=bank.world.home)
    assert other.get(f"/outreachbatchview/show/{batch}").status_code == 404


def test_above_the_limit_a_second_person_approves(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    bank.rules(approval_above=1)
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    hits = bank.people(2)
    batch = bank.start(maker, hits)
    assert "approv" in maker.get(f"/outreachbatchview/show/{batch}").text
    maker.submit(f"/outreachbatchview/confirm/{batch}", {"reason": "季度活动"})
    assert bank.batch(batch).status == "waiting"
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("queued", "")}
    asked = session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    maker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert bank.batch(batch).status == "waiting"
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert bank.batch(batch).status == "running"
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("sent", "")}


def test_a_list_cut_in_pieces_needs_the_second_person_too(bank: Bank, login: Callable[..., Person]) -> None:
    bank.rules(approval_above=5)
    maker = login("Manager", username="chen", language="zh")
    one, two, single, calls = (hits := bank.people(10))[:4], hits[4:6], hits[6:7], hits[7:]
    first = bank.start(maker, one)
    bank.confirm(maker, first)
    assert bank.batch(first).status == "running"
    second = bank.start(maker, two)
    page = maker.get(f"/outreachbatchview/show/{second}").text
    assert "您今天已自行确认 4 次触达" in page
    assert "今天合计超过 5 次触达" in page
    bank.confirm(maker, second)
    assert bank.batch(second).status == "checked", "without a reason nobody is asked"
    maker.submit(f"/outreachbatchview/confirm/{second}", {"reason": "分批"})
    assert bank.batch(second).status == "waiting"
    alone = [bank.start(maker, single), bank.start(maker, calls, "call")]
    other = login("Manager", username="lin")
    alone.append(bank.start(other, two))
    for batch, person in zip(alone, (maker, maker, other), strict=True):
        bank.confirm(person, batch)
        assert bank.batch(batch).status == "running", "one customer, another channel, another person"
    bank.set(OutreachBatch, first, confirmed_at=clock.now() - dt.timedelta(days=1))
    third = bank.start(maker, one)
    bank.confirm(maker, third)
    assert bank.batch(third).status == "running", "each day counts anew, the single customer's contact too"
    assert "您今天已自行确认 5 次触达" in maker.get(f"/outreachbatchview/show/{bank.start(maker, two)}").text


def test_batches_of_one_do_not_pass_the_size_either(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    bank.rules(approval_above=1)
    maker, twin = (login("Manager", username=name, language="zh") for name in ("chen", "lin"))
    first, second, third = ([hit] for hit in bank.people(3))
    bank.confirm(maker, bank.start(maker, first))
    again = bank.start(maker, second)
    bank.confirm(maker, again)
    assert bank.batch(again).status == "checked", "the second single contact of the day needs a second person"
    ids = dict(session.execute(select(Staff.username, Staff.id)).tuples().all())
    session.add(AccountTaint(person_id=ids["lin"], by_id=ids["chen"], kind="password"))
    session.commit()
    other = bank.start(twin, third)
    bank.confirm(twin, other)
    assert bank.batch(other).status == "checked", "two accounts of one hand have one sum"


def test_two_accounts_of_one_hand_at_the_same_moment_have_one_sum(
    bank: Bank, app: Flask, login: Callable[..., Person], session: Session
) -> None:
    """The second waits for the first and then counts it, although neither account set up the other."""
    bank.rules(approval_above=1)
    people = {name: login("Manager", username=name) for name in ("chief", "chen", "lin")}
    ids = dict(session.execute(select(Staff.username, Staff.id)).tuples().all())
    for name in ("chen", "lin"):
        session.add(AccountTaint(person_id=ids[name], by_id=ids["chief"], kind="set_up"))
    session.commit()
    first, second = (
        bank.start(people[name], [hit]) for name, hit in zip(("chen", "lin"), bank.people(2), strict=True)
    )
    done = threading.Event()

    def confirm(batch: int, name: str) -> None:
        sender = db.session.scalars(select(Staff).where(Staff.username == name)).one()
        batches.confirm(db.session.get_one(OutreachBatch, batch), sender, "同一天")

    def meanwhile() -> None:
        with app.app_context():
            confirm(second, "lin")
            db.session.commit()
            db.session.remove()
        done.set()

    other = threading.Thread(target=meanwhile)
    with app.app_context():
        confirm(first, "chen")
        other.start()
        while not done.is_set() and not _waits_for_lock(session):
            done.wait(0.01)
        db.session.commit()
    other.join()
    assert (bank.batch(first).status, bank.batch(second).status) == ("running", "waiting")
    asked = session.scalars(select(Approval).where(Approval.kind == "outreach_batch")).one()
    assert (asked.subject_id, asked.requested_by) == (second, "lin")


def _waits_for_lock(session: Session) -> bool:
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = :kind"
    )
    return bool(session.scalar(waiting, {"kind": int(Lock.OUTREACH_CONFIRM)}))


def test_who_decides_sees_whom_why_and_the_text(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    bank.rules(approval_above=1)
    maker = login("Manager", username="chen", language="zh")
    bank.set(Hit, bank.people(3, grade="D")[0], status="failed")
    filtered = "/hitview/contact_many/sms?_flt_1_grade=D"
    start = maker.get(filtered).text
    assert "以下条件筛出 3 条命中" in start
    assert 'href="/hitview/list/?_flt_1_grade=D&amp;_flt_0_state=all" data-leave' in start
    batch = bank.posted(maker, filtered)
    maker.submit(f"/outreachbatchview/confirm/{batch}", {"reason": "季度活动"})
    asked = session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    request = login("Manager", username="lin", language="zh").get(f"/approvalview/show/{asked.id}").text
    assert "3 条命中，条件：等级：D" in request
    assert "1 条命中（命中状态不在触达范围 1）" in request
    assert "邀您了解新额度。拒收请回复R" in request
    assert "{surname}" not in request


def test_what_nobody_confirmed_is_in_no_history(bank: Bank, login: Callable[..., Person]) -> None:
    bank.rules(approval_above=1)
    manager = login("Manager", username="chen", language="zh")
    hits = bank.people(2)
    pages = [f"/hitview/show/{hits[0]}", f"/leadview/show/{bank.lead_of(hits[0]).id}"]

    def told() -> list[bool]:
        return ["模板 sms v1" in manager.get(page).text for page in pages]

    bank.start(manager, hits[:1])
    dropped = bank.start(manager, hits[:1])
    manager.submit(f"/outreachbatchview/action/cancel/{dropped}")
    asked = bank.start(manager, hits)
    manager.submit(f"/outreachbatchview/confirm/{asked}", {"reason": "季度活动"})
    assert bank.batch(asked).status == "waiting"
    assert told() == [False, False]
    bank.confirm(manager, bank.start(manager, hits[:1]))
    assert told() == [True, True]


def test_an_approval_is_about_these_very_rows(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    bank.rules(approval_above=1)
    maker, checker = login("Manager", username="maker"), login("Manager", username="checker")
    batch = bank.start(maker, bank.people(2))
    maker.submit(f"/outreachbatchview/confirm/{batch}", {"reason": "季度活动"})
    session.execute(
        text(
            "UPDATE outreach SET status = 'queued', hit_id = :hit WHERE id = (SELECT max(id) FROM outreach)"
        ),
        {"hit": bank.ids["hit_away_waiting"]},
    )
    session.commit()
    asked = session.scalars(select(Approval).order_by(Approval.id.desc()).limit(1)).one()
    checker.submit(f"/approvalview/approve/{asked.id}", {"note": ""})
    assert bank.batch(batch).status == "waiting"


def test_paused_nothing_goes_cancelled_the_rest_is_dropped(bank: Bank, manager: Person) -> None:
    batch = bank.start(manager, bank.people(2))
    bank.confirm(manager, batch)
    manager.submit(f"/outreachbatchview/action/pause/{batch}")
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("queued", "")}
    manager.submit(f"/outreachbatchview/action/resume/{batch}")
    assert bank.batch(batch).status == "running"
    manager.submit(f"/outreachbatchview/action/cancel/{batch}")
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("dropped", "cancelled")}
    again = manager.submit(f"/outreachbatchview/action/resume/{batch}", follow_redirects=True)
    assert "不能" in again.text
    assert bank.batch(batch).status == "cancelled"


def test_judged_again_at_the_moment_of_sending(
    bank: Bank, app: Flask, manager: Person, session: Session
) -> None:
    stays, opted, deleted, converted = hits = bank.people(4)
    batch = bank.start(manager, hits)
    bank.confirm(manager, batch)
    today = clock.today()
    target = suppression.hash_target(bank.lead_of(opted).id_hash)
    suppression.add(session, target, reason="客户来电", user="x", today=today)
    session.commit()
    bank.set(Lead, bank.lead_of(deleted).id, deleted_at=func.now())
    bank.set(Hit, converted, status="converted")
    bank.send()
    assert bank.outcomes(batch) == {
        stays: ("sent", ""),
        opted: ("held", "opted_out"),
        deleted: ("dropped", "deleted"),
        converted: ("held", "converted"),
    }


@pytest.mark.parametrize("other", ["hit_home_waiting", "hit_home_in_progress"])
def test_a_refusal_on_one_hit_keeps_everybody_from_contacting_for_another(
    bank: Bank, manager: Person, session: Session, other: str
) -> None:
    """Do not disturb is about a person: batches, calls, claims and what is due leave out every hit."""
    refused = ({"hit_home_waiting", "hit_home_in_progress"} - {other}).pop()
    hit, lead = bank.ids[other], bank.ids["lead_home"]
    batch = bank.make([hit], "chen")
    bank.set(CloseReason, bank.ids["close_reason"], refusal=True)
    fields = {"close-reason": bank.ids["close_reason"], "close-leave_alone": "y"}
    manager.submit(f"/hitview/work/{bank.ids[refused]}/close", fields)
    bank.send()
    assert bank.outcomes(batch)[hit] == ("held", "opted_out")
    late = bank.start(manager, [hit])
    assert bank.outcomes(late)[hit] == ("held", "opted_out")
    session.expire_all()
    customer = session.get_one(Customer, lead)
    assert (bank.hit(hit).status in OPEN, customer.state) == (True, "blocked")
    call = {"reason": "致电客户", "purpose": "call", "hit": hit}
    refusal = manager.submit(f"/leadview/reveal/{lead}", call)
    assert (refusal.status_code, "免打扰" in refusal.json["message"]) == (400, True)
    assert customer.lead.lead_no not in manager.get("/customerview/list/").text
    manager.submit(f"/customerview/action/claim/{lead}")
    session.expire_all()
    assert customer.owner_id != session.scalars(select(Staff.id).where(Staff.username == "chen")).one()


def test_outside_contact_hours_a_batch_waits(bank: Bank, manager: Person) -> None:
    bank.rules(open_from="09:00", open_to="20:00")
    batch = bank.start(manager, bank.people(1))
    bank.confirm(manager, batch)
    zone = bank.app.config["SETTINGS"].zone
    confirmed = bank.batch(batch).confirmed_at
    assert confirmed is not None
    night = dt.datetime.combine(confirmed.astimezone(zone).date(), dt.time(23, 30), zone)
    bank.send(night)
    assert set(bank.outcomes(batch).values()) == {("queued", "")}
    waiting = bank.batch(batch)
    assert (waiting.status, waiting.waits_for) == ("running", "hours")
    assert waiting.not_before is not None
    assert waiting.not_before.astimezone(zone).time() == dt.time(9)
    bank.send(night + dt.timedelta(hours=9, minutes=25))
    assert set(bank.outcomes(batch).values()) == {("queued", "")}
    bank.send(night + dt.timedelta(hours=9, minutes=31))
    assert set(bank.outcomes(batch).values()) == {("sent", "")}


def test_who_may_not_contact_any_more_sends_nothing(bank: Bank, manager: Person, session: Session) -> None:
    batch = bank.start(manager, bank.people(1))
    bank.confirm(manager, batch)
    session.execute(text("UPDATE ab_user SET active = false WHERE username = 'chen'"))
    session.commit()
    bank.send()
    assert set(bank.outcomes(batch).values()) == {("dropped", "sender")}


@pytest.mark.parametrize("round_", range(3))
def test_two_batches_at_once_contact_nobody_twice(
    bank: Bank, app: Flask, login: Callable[..., Person], session: Session, round_: int
) -> None:
    """Two workers send two batches for the same people at once, with caps that would allow both."""
    bank.rules(sms_cap=100, call_cap=100, total_cap=100)
    login("Manager", username="one"), login("Manager", username="two")
    hits = bank.people(60)
    made = [bank.make(hits, "one"), bank.make(hits, "two", "call")]
    ready = threading.Barrier(2)

    def worker() -> None:
        with app.app_context():
            ready.wait()
            sending.work()
            db.session.remove()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contacted = [
        key for batch in made for key, (status, _) in bank.outcomes(batch).items() if status == "sent"
    ]
    assert sorted(contacted) == sorted(hits), "each customer exactly once"
    assert session.scalar(select(func.count()).select_from(SandboxMessage)) == 60


def test_caps_hold_over_batches(bank: Bank, login: Callable[..., Person]) -> None:
    bank.rules(sms_cap=1, sms_days=7, total_cap=2)
    login("Manager", username="one")
    (hit,) = bank.people(1)
    seen = []
    for channel in ("sms", "sms", "call", "call"):
        batch = bank.start(login("Manager"), [hit], channel)
        seen.append(bank.outcomes(batch)[hit])
        if seen[-1] == ("queued", ""):
            with bank.app.app_context():
                row = db.session.get_one(OutreachBatch, batch)
                batches.run(row, "one")
                db.session.commit()
            bank.send()
    assert seen == [("queued", ""), ("held", "cap_channel"), ("queued", ""), ("held", "cap_total")]


def test_the_ticker_starts_what_waits_and_plays_the_sandbox(bank: Bank, manager: Person, app: Flask) -> None:
    batch = bank.start(manager, bank.people(30))
    bank.confirm(manager, batch)
    bank.send()
    with app.app_context():
        ticker.tick(clock.now())
        results.record_sandbox_outcomes(clock.now() + dt.timedelta(minutes=5))
    statuses = Counter(status for status, _ in bank.outcomes(batch).values())
    assert "sent" not in statuses
    assert set(statuses) <= {
        *("delivered", "answered", "interested", "converted", "failed", "opt_out"),
    }
    assert statuses["delivered"] > 5


def test_a_large_batch_is_one_query(bank: Bank, app: Flask, manager: Person, session: Session) -> None:
    """The check of a batch takes as many queries for many candidates as for two."""
    from sqlalchemy import event

    def statements(hits: list[int]) -> int:
        count = 0

        def seen(*_: object) -> None:
            nonlocal count
            count += 1

        with app.app_context():
            event.listen(db.engine, "before_cursor_execute", seen)
            bank.make(hits, "chen")
            event.remove(db.engine, "before_cursor_execute", seen)
        return count

    hits = bank.people(120)
    assert statements(hits[:2]) == statements(hits[2:])
    assert session.scalar(select(func.count()).select_from(Outreach)) == 120
