"""The screens of targets, deliveries and reminders, used over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from sqlalchemy import select

from app.models import ChangeLog, Delivery, DeliveryAttempt, Push, Reminder, Staff, Target
from app.push.test_push import send_sample
from tests.access.world import branch
from tests.conftest import Person
from tests.push.conftest import Bank
from tests.push.receiver import Receiver

#: places to which sending would be refused, and the message of the form
UNREACHABLE = [
    ("webhook", "url", "http://127.0.0.1:8091/healthz", "https is required"),
    ("webhook", "url", "https://169.254.169.254/latest", "is not on the allow-list WEBHOOK_ALLOW"),
    ("webhook", "url", "https://crm.elsewhere.com/", "is not on the allow-list WEBHOOK_ALLOW"),
    ("file", "folder", "../../etc", "The folder is not below any of DROP_ROOTS"),
    ("file", "folder", "/etc/cron.d", "The folder is not below any of DROP_ROOTS"),
]


def test_a_webhook_target_is_set_up_tested_and_rotated(
    bank: Bank, receiver: Receiver, login: Callable[..., Person]
) -> None:
    admin = login("Admin")
    refused = admin.submit(
        "/targetview/create?kind=webhook", {"code": "crm", "name": "CRM", "setting_url": "ftp://x"}
    ).text
    assert "This is not a valid webhook address" in refused
    assert 'value="ftp://x"' in refused, "the input is kept"
    for kind, field, place, why in UNREACHABLE:
        typed = {"code": "crm", "name": "CRM", f"setting_{field}": place}
        refused = admin.submit(f"/targetview/create?kind={kind}", typed).text
        assert why in refused, place
    assert bank.all(Target) == []
    admin.submit(
        "/targetview/create?kind=webhook", {"code": "crm", "name": "CRM", "setting_url": receiver.url}
    )
    target = bank.one(Target)
    assert (target.status, target.stop_reason) == ("stopped", "not_set_up")
    answer = admin.submit(f"/targetview/action/resume/{target.id}", follow_redirects=True).text
    assert "has no secret yet" in answer
    page = admin.submit(f"/targetview/secret/{target.id}")
    [receiver.secret] = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert "whsec_" not in admin.get(f"/targetview/show/{target.id}").text
    admin.submit(f"/targetview/action/resume/{target.id}")
    assert bank.one(Target).status == "active"
    elsewhere = {"name": "CRM", "setting_url": "https://crm.elsewhere.com/"}
    refused = admin.submit(f"/targetview/settings/{target.id}", elsewhere).text
    assert "is not on the allow-list WEBHOOK_ALLOW" in refused
    answer = admin.submit(f"/targetview/action/try_out/{target.id}", follow_redirects=True).text
    assert "The test arrived in" in answer
    assert len(receiver.accepted) == 1
    admin.submit(f"/targetview/secret/{target.id}")
    answer = admin.submit(f"/targetview/action/try_out/{target.id}", follow_redirects=True).text
    assert "The test did not arrive: 401" in answer, "the old secret is no longer valid"
    again = admin.submit(
        "/targetview/create?kind=webhook", {"code": "crm", "name": "2", "setting_url": receiver.url}
    ).text
    assert "There is already a target with the code crm." in again
    kinds = bank.session.execute(select(ChangeLog.kind).where(ChangeLog.object == "target")).scalars().all()
    assert kinds.count("secret") == 2
    assert receiver.secret not in "".join(str(each.changes) for each in bank.all(ChangeLog))


def test_own_messages_are_translated_and_answers_of_receivers_are_not(
    bank: Bank, crm: Receiver, login: Callable[..., Person]
) -> None:
    """Messages of the product are shown in the user's language; what a receiver answered stays as it is."""
    crm.behave = lambda body: 503
    bank.target("email", "boss", to=["a@b.cn"])
    bank.schedule(("webhook", "crm"), ("email", "boss"))
    bank.hits(1)
    bank.tick("2026-10-26 09:00")
    bank.send()
    to_crm, to_boss = sorted(bank.all(Delivery), key=lambda each: each.target.kind, reverse=True)
    for language, words in (("zh", "未设置 SMTP_URL"), ("en", "SMTP_URL is not set")):
        person = login("Admin", language=language, username=language)
        assert words in person.get(f"/deliveryview/show/{to_boss.id}").text
        assert '{"ok": false}' in unescape(person.get(f"/deliveryview/show/{to_crm.id}").text)


def test_settings_survive_a_round_trip_through_the_form(bank: Bank, login: Callable[..., Person]) -> None:
    admin = login("Admin")
    given = {"code": "boss", "name": "Boss", "setting_to": "a@b.cn\r\nc@d.cn\r\n"}
    admin.submit("/targetview/create?kind=email", given | {"setting_rows": "5", "setting_language": "en"})
    target = bank.one(Target)
    assert target.settings == {"to": ["a@b.cn", "c@d.cn"], "rows": 5, "language": "en"}
    form = admin.get(f"/targetview/settings/{target.id}").text
    assert "a@b.cn\nc@d.cn</textarea>" in form.replace("\r", "")
    assert re.search(r'<option[^>]*selected[^>]*value="en"', form)
    changed = {"name": "Boss", "setting_to": "nobody", "setting_rows": "5", "setting_language": "en"}
    assert "is not an e-mail address" in admin.submit(f"/targetview/settings/{target.id}", changed).text
    assert bank.one(Target).settings["rows"] == 5


def test_a_dead_letter_has_a_badge_and_can_be_cancelled_or_replayed(
    bank: Bank, crm: Receiver, login: Callable[..., Person]
) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(2)
    bank.tick("2026-10-26 09:00")
    crm.behave = lambda body: 503
    bank.send()
    bank.session.execute(Delivery.__table__.update().values(status="dead", next_at=None))
    bank.session.commit()
    manager = login("Manager")
    assert re.search(r'Deliveries <b class="badge">1</b>', manager.get("/pushview/list/").text)
    delivery = bank.one(Delivery)
    page = manager.get(f"/deliveryview/show/{delivery.id}").text
    assert "503" in page
    assert bank.one(DeliveryAttempt).http_status == 503
    manager.submit(f"/deliveryview/action/cancel/{delivery.id}")
    assert "badge" not in manager.get("/pushview/list/").text
    crm.behave = lambda body: 200
    manager.submit("/deliveryview/action_post", {"action": "replay", "rowid": [str(delivery.id)]})
    bank.now = bank.one(Delivery).next_at
    bank.send()
    assert bank.one(Delivery).status == "sent"
    assert list(crm.accepted) == [delivery.uid]
    logged = bank.session.scalars(select(ChangeLog).where(ChangeLog.object == "delivery"))
    assert {(each.kind, each.object_id) for each in logged} == {
        ("cancel", str(delivery.id)),
        ("replay", str(delivery.id)),
    }
    crm.behave = lambda body: 503
    with bank.app.app_context():
        assert not send_sample(["crm"], "boss")[0].ok
    assert "badge" not in manager.get("/pushview/list/").text, "a failed test is no dead letter"


def test_the_number_of_hits_links_to_their_list(
    bank: Bank, crm: Receiver, login: Callable[..., Person]
) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(3)
    bank.tick("2026-10-26 09:00")
    bank.hits(2)
    push = bank.one(Push)
    manager = login("Manager")
    page = manager.get("/pushview/list/").text
    [link] = re.findall(r'href="(/hitview/list/\?_flt_0_push=\d+)"', page)
    assert link == f"/hitview/list/?_flt_0_push={push.id}"
    assert "3 rows" in manager.get(link).text
    assert manager.get("/hitview/list/?_flt_0_push=x").status_code == 400


def test_reminders_are_counted_opened_and_private(bank: Bank, login: Callable[..., Person]) -> None:
    home = branch(bank.session, "HOME")
    bank.session.commit()
    at_home, elsewhere = login("Marketer", branch=home, username="at-home"), login("Marketer")
    bank.schedule(("reminder", "staff"))
    bank.hits(2, branch=home)
    bank.hits(1)
    bank.tick("2026-10-26 09:00")
    bank.send()
    reminder = bank.one(Reminder)
    assert bank.session.get_one(Staff, reminder.person_id).username == "at-home"
    assert "Reminders, 1 unread" in at_home.get("/hitview/list/").text
    assert "Reminders, 0 unread" in elsewhere.get("/hitview/list/").text
    assert "每小时: 2 new high-potential leads" in at_home.get("/reminderview/list/").text
    assert "0 rows" in elsewhere.get("/reminderview/list/").text
    path = f"/reminderview/action/look/{reminder.id}"
    assert elsewhere.submit(path).status_code == 404
    opened = at_home.submit(path)
    assert opened.location == f"/hitview/list/?_flt_0_push={bank.one(Push).id}"
    assert "2 rows" in at_home.get(opened.location).text
    assert "Reminders, 0 unread" in at_home.get("/hitview/list/").text
