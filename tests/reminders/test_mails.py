"""Reminders by e-mail: chosen kinds, collected, sent once, retried, and free of personal data."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
import time_machine
from sqlalchemy import func, select, update

from app.extensions import db
from app.jobs import mails as sending
from app.lib.pointers import to_rows
from app.mails.queue import MAILS, PAUSES
from app.models import ChangeLog, Mail, Reminder, ReminderChoice, Staff
from app.reminders.digest import collect
from tests import clock
from tests.conftest import Person
from tests.postbox import Postbox
from tests.reminders.conftest import NOW, Office

SOON = NOW + dt.timedelta(seconds=30)
LATER = NOW + dt.timedelta(minutes=2)


@pytest.fixture
def anna(office: Office, login: Callable[..., Person]) -> Person:
    return login("Marketer", branch=office.world.home, username="anna", language="zh")


def choose(person: Person, **kinds: str) -> str:
    given = {"daily_at": "09:30", **kinds}
    return str(person.submit("/reminderchoice/form", given, follow_redirects=True).text)


def ring(office: Office, source: str, kind: str = "hits", at: dt.datetime = NOW, who: str = "anna") -> None:
    values = {"schedule": "每日推送", "n": 3}
    if kind == "approval":
        values = {"id": 7, "what": "User access", "title": "zhang 张三"}
    messages = {
        "hits": "%(schedule)s: %(n)s new high-potential leads",
        "approval": "%(what)s “%(title)s” is waiting for your decision",
    }
    office.session.add(
        Reminder(
            person_id=office.person(who).id,
            source=source,
            kind=kind,
            message=messages[kind],
            values=values,
            opens=to_rows("hit", push=4),
            created_at=at,
        )
    )
    # What is chosen at the screen counts from the real time on; the clock of these tests is another.
    office.session.execute(update(ReminderChoice).values(since=NOW - dt.timedelta(days=1)))
    office.session.commit()


def mails(office: Office) -> list[Mail]:
    office.session.rollback()
    office.session.expire_all()
    ours = (Mail.kind == "reminders", Mail.id != office.ids["failed_mail"])
    return list(office.session.scalars(select(Mail).where(*ours)))


def test_what_a_person_chose_comes_by_mail_once_and_in_their_language(
    office: Office, postbox: Postbox, login: Callable[..., Person], anna: Person
) -> None:
    boss = login("Manager", username="boss", language="zh")
    assert 'name="approval"' not in anna.get("/reminderchoice/form").text, "she decides about nothing"
    assert "已保存" in choose(boss, hits="at_once", approval="at_once", due="")
    assert office.session.scalars(select(ReminderChoice)).one().kinds == {
        "hits": "at_once",
        "approval": "at_once",
    }
    ring(office, "msg_1", who="boss")
    ring(office, "approval-7", "approval", who="boss")
    assert (office.mail(), office.mail(LATER)) == (1, 0)
    [got] = postbox.mails
    assert (got["to"], got["subject"]) == ("boss@example.com", "2 条提醒")
    for part in ("plain", "html"):
        body = got.get_body((part,)).get_content()
        assert "每日推送：3 条新的高潜线索" in body
        assert "申请 #7 等待您审批" in body
        assert "张三" not in body, "nobody's name leaves the house"
        assert "https://lm.bank.example/hitview/list/?_flt_0_push=4" in body
    assert got["message-id"] == f"<{mails(office)[-1].key}@bank.example>"


def test_kinds_not_chosen_and_what_was_read_stay_in_the_house(
    office: Office, postbox: Postbox, anna: Person
) -> None:
    choose(anna, due="at_once")
    ring(office, "msg_1")
    assert office.mail() == 0
    choose(anna, hits="at_once")
    ring(office, "msg_2")
    anna.submit("/reminderview/read_all")
    assert office.mail() == 0
    assert postbox.mails == []


def test_a_flood_is_one_mail_a_minute(office: Office, postbox: Postbox, anna: Person) -> None:
    choose(anna, hits="at_once")
    for number in range(30):
        ring(office, f"msg_{number}")
    assert office.mail() == 1
    ring(office, "msg_late")
    assert office.mail(SOON) == 0
    assert office.mail(LATER) == 1
    first, second = postbox.mails
    assert first["subject"] == "30 条提醒"
    assert "还有 10 条" in first.get_body(("plain",)).get_content()
    assert second["subject"] == "每日推送：3 条新的高潜线索"


def test_the_daily_mail_goes_once_at_its_time(office: Office, postbox: Postbox, anna: Person) -> None:
    choose(anna, hits="daily")
    ring(office, "msg_1")
    office.session.execute(update(ReminderChoice).values(last_daily_on=None))
    office.session.commit()
    assert office.mail() == 0, "09:00 is before 09:30"
    half_past = NOW + dt.timedelta(minutes=30)
    assert office.mail(half_past) == 1
    ring(office, "msg_2", at=half_past)
    assert office.mail(half_past + dt.timedelta(hours=3)) == 0, "tomorrow"
    assert office.mail(half_past + dt.timedelta(days=1)) == 1
    assert len(postbox.mails) == 2


def test_two_workers_at_once_send_one_mail(office: Office, postbox: Postbox, anna: Person) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        office.mail()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(postbox.mails) == 1
    assert [each.status for each in mails(office)] == ["sent"]


@pytest.mark.parametrize("hours", [3, -3])
def test_a_lease_goes_by_the_databases_clock(
    office: Office, postbox: Postbox, anna: Person, hours: int
) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    with office.app.app_context():
        collect(NOW)
    begun = clock.now()

    def lease_until(moment: dt.datetime) -> None:
        held = {"status": "sending", "lease_owner": "x", "lease_until": moment}
        office.session.execute(update(Mail).where(Mail.kind == "reminders").values(**held))
        office.session.commit()

    with time_machine.travel(begun + dt.timedelta(hours=hours)), office.app.app_context():
        lease_until(begun + dt.timedelta(seconds=MAILS.seconds))
        assert sending.send() == 0, "alive"
        lease_until(begun)
        assert sending.send() == 1, "its worker is gone"
    [mail] = mails(office)
    assert mail.done_at is not None
    assert begun <= mail.done_at <= clock.now()


def test_a_refused_mail_is_tried_again_with_pauses_and_then_shown_as_failed(
    office: Office, postbox: Postbox, anna: Person, login: Callable[..., Person]
) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    postbox.refuse = "451 later"
    now = NOW
    for pause in PAUSES:
        assert office.mail(now) == 0
        [mail] = mails(office)
        assert (mail.status, mail.next_at) == ("waiting", now + pause)
        assert office.mail(now + pause / 2) == 0
        now += pause
    office.mail(now)
    [mail] = mails(office)
    assert (mail.status, mail.attempts, str(mail.answer)) == ("failed", 6, "the mail server refused: 451")
    postbox.refuse = ""
    admin = login("Admin")
    page = admin.get(f"/remindermailview/list/?_flt_0_person={office.person('anna').id}").text
    assert "the mail server refused: 451" in page
    assert "L1001" not in page
    admin.submit("/remindermailview/action_post", {"action": "retry", "rowid": [str(mail.id)]})
    assert office.mail(clock.now()) == 1
    assert len(postbox.mails) == 1
    logged = select(ChangeLog).where(ChangeLog.object == "reminder_mail")
    assert office.session.scalars(logged).one().kind == "retry"


def test_a_mail_that_can_never_arrive_is_given_up_at_once(
    office: Office, postbox: Postbox, anna: Person
) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    postbox.refuse = "554 never"
    office.mail()
    assert [(each.status, each.attempts) for each in mails(office)] == [("failed", 1)]


def test_a_mail_whose_sender_died_is_sent_by_another(office: Office, postbox: Postbox, anna: Person) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    with office.app.app_context():
        collect(NOW)
        assert MAILS.claim(db.engine, "dead", MAILS.due(NOW))
    assert office.mail(SOON) == 0
    past = clock.now() - dt.timedelta(seconds=1)
    office.session.execute(update(Mail).where(Mail.lease_owner == "dead").values(lease_until=past))
    office.session.commit()
    assert office.mail(SOON) == 1
    assert mails(office)[0].attempts == 2
    assert len(postbox.mails) == 1


@pytest.mark.parametrize("restarted", [True, False])
def test_a_mail_that_ends_every_worker_is_given_up_and_a_restart_of_the_database_is_no_attempt(
    office: Office, postbox: Postbox, anna: Person, login: Callable[..., Person], restarted: bool
) -> None:
    choose(anna, hits="at_once")
    ring(office, "msg_1")
    with office.app.app_context():
        collect(NOW)
    past = func.pg_postmaster_start_time() - dt.timedelta(seconds=1)
    last = {"status": "sending", "attempts": len(PAUSES) + 1, "lease_until": past}
    began = past if restarted else func.now()
    office.session.execute(update(Mail).where(Mail.kind == "reminders").values(attempted_at=began, **last))
    office.session.commit()
    office.mail(SOON)
    [mail] = mails(office)
    assert (mail.status, mail.attempts) == (("sent", 6) if restarted else ("failed", 7))
    assert len(postbox.mails) == restarted
    page = login("Admin", language="zh").get("/remindermailview/list/").text
    assert ("已放弃：尝试发送的后台进程都中断了" in page) != restarted


def test_without_an_address_or_a_mail_server_the_page_says_so(office: Office, anna: Person) -> None:
    assert "尚未配置" in anna.get("/reminderchoice/form").text
    office.session.execute(update(Staff).where(Staff.username == "anna").values(email="nowhere"))
    office.session.commit()
    page = choose(anna, hits="at_once")
    assert "没有有效的邮箱地址（“nowhere”）" in page
    assert 'value="at_once" selected' in page.replace('selected value="at_once"', 'value="at_once" selected')
    assert "请按 08:30 的格式填写时间" in choose(anna, daily_at="25:00")
    assert office.session.scalars(select(ReminderChoice)).all() == []
    ring(office, "msg_1")
    assert office.mail() == 0, "no mail server, no mail"
