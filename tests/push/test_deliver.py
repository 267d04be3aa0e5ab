"""Deliveries are sent once, retried as specified, held back in silence, and finally given up."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.errors import DomainError, Said
from app.extensions import db
from app.models import Delivery, DeliveryAttempt, Lead, Push, Reminder, Target
from app.push import deliver, outbox
from app.push.attempts import BACK_OFF, Answer, record
from app.push.test_push import send_sample
from app.reminders import run_checks
from tests.conftest import Person
from tests.push.conftest import Bank, local
from tests.push.receiver import Receiver


@pytest.fixture
def pushed(bank: Bank, crm: Receiver) -> Bank:
    """Create a push of two hits to the receiver that is not sent yet."""
    bank.schedule(("webhook", "crm"), quiet_hours=["21:00", "08:00"])
    bank.hits(2)
    bank.tick("2026-10-26 09:00")
    return bank


def test_a_webhook_is_signed_and_says_what_was_hit(pushed: Bank, crm: Receiver) -> None:
    assert pushed.send() == 1
    assert crm.bad == []
    [(uid, body)] = crm.accepted.items()
    delivery = pushed.one(Delivery)
    assert (delivery.uid, delivery.status, delivery.attempts) == (uid, "sent", 1)
    assert body["type"] == "hits.pushed"
    data = body["data"]
    assert (data["schedule"], data["part"], data["parts"], data["total"]) == ("S-1", 1, 1, 2)
    assert [hit["lead_no"] for hit in data["hits"]] == ["L1", "L2"]
    first = data["hits"][0]
    assert first["phone_masked"] == "138****0001"
    assert (first["rule"], first["rule_version"], first["grade"]) == ("R-1", 1, "B")
    assert "7天" in first["reason"].replace(" ", "")
    assert "客户" not in str(body), "names stay in the house"
    attempt = pushed.one(DeliveryAttempt)
    assert (attempt.outcome, attempt.http_status, str(attempt.answer)) == ("ok", 200, '{"ok": true}')
    assert pushed.one(Push).status == "done"
    assert pushed.one(Target).last_ok_at == pushed.now
    assert pushed.send() == 0


def test_a_failing_receiver_is_tried_again_by_the_book_and_then_given_up(pushed: Bank, crm: Receiver) -> None:
    crm.behave = lambda body: 503
    tries = [pushed.now]
    pushed.send()
    for wait in BACK_OFF:
        assert pushed.one(Delivery).next_at == pushed.now + wait
        pushed.now += wait - dt.timedelta(seconds=1)
        assert pushed.send() == 0
        pushed.now += dt.timedelta(seconds=1)
        silent = pushed.now.astimezone(tries[0].tzinfo).hour in (*range(8), *range(21, 24))
        if silent:
            assert pushed.send() == 0
            pushed.now = pushed.one(Delivery).next_at
            assert pushed.now == local("2026-10-27 08:00")
        pushed.send()
        tries.append(pushed.now)
    delivery = pushed.one(Delivery)
    assert (delivery.status, delivery.attempts, delivery.next_at) == ("dead", 7, None)
    assert crm.seen == {delivery.uid: 7}
    assert [each.http_status for each in pushed.all(DeliveryAttempt)] == [503] * 7
    assert [round((b - a).total_seconds()) for a, b in itertools.pairwise(tries)][:4] == [
        5,
        300,
        1800,
        7200,
    ]
    assert pushed.one(Push).status == "failed"
    crm.behave = lambda body: 204
    with pushed.app.app_context():
        outbox.replay(db.session, db.session.get_one(Delivery, delivery.id), pushed.now)
        db.session.commit()
    pushed.send()
    assert pushed.one(Delivery).status == "sent"
    assert pushed.one(Push).status == "done"
    assert list(crm.accepted) == [delivery.uid], "the id stays the same"


def test_a_receiver_that_takes_it_and_hangs_up_gets_the_same_id_again(pushed: Bank, crm: Receiver) -> None:
    answers = iter([None, 200])
    crm.behave = lambda body: next(answers)
    pushed.send()
    assert pushed.one(DeliveryAttempt).outcome == "temporary"
    pushed.now += dt.timedelta(seconds=5)
    pushed.send()
    assert crm.seen == {pushed.one(Delivery).uid: 2}


def test_410_ends_the_target_and_what_waits_survives(pushed: Bank, crm: Receiver, session: Any) -> None:
    crm.behave = lambda body: 410
    pushed.send()
    target = pushed.one(Target)
    assert (target.status, target.stop_reason) == ("stopped", "gone")
    assert pushed.one(Delivery).status == "waiting"
    pushed.now += dt.timedelta(days=1)
    assert pushed.send() == 0


def test_a_target_that_fails_for_days_is_stopped_and_its_keepers_hear_of_it(
    pushed: Bank, crm: Receiver, login: Callable[..., Person]
) -> None:
    login("Admin")
    login("Marketer")
    crm.behave = lambda body: 500
    pushed.send()
    assert pushed.one(Target).failing_since == pushed.now
    pushed.now += dt.timedelta(days=2, hours=23)
    pushed.send()
    assert pushed.one(Target).status == "active"
    pushed.now += dt.timedelta(hours=2)
    pushed.send()
    target = pushed.one(Target)
    assert (target.status, target.stop_reason) == ("stopped", "failing")
    with pushed.app.app_context():
        run_checks(pushed.now)
    reminder = pushed.one(Reminder)
    assert (reminder.kind, reminder.values) == ("system", {"target": "CRM (crm)"})


def test_an_answer_that_comes_ends_a_row_of_failures(pushed: Bank, crm: Receiver) -> None:
    answers = iter([500, 200])
    crm.behave = lambda body: next(answers)
    pushed.send()
    pushed.now += dt.timedelta(seconds=5)
    pushed.send()
    assert pushed.one(Target).failing_since is None


def test_nothing_goes_out_in_silence(pushed: Bank, crm: Receiver) -> None:
    pushed.now = local("2026-10-26 20:59:59")
    assert pushed.send() == 0
    assert pushed.one(Delivery).next_at == local("2026-10-27 08:00")
    pushed.now = local("2026-10-27 07:59:59")
    assert pushed.send() == 0
    pushed.now = local("2026-10-27 08:00")
    assert pushed.send() == 1


def test_a_stopped_target_gets_nothing_and_all_of_it_later(pushed: Bank, crm: Receiver) -> None:
    pushed.session.execute(update(Target).values(status="stopped", stop_reason="by_hand"))
    pushed.session.commit()
    assert pushed.send() == 0
    pushed.session.execute(update(Target).values(status="active"))
    pushed.session.commit()
    assert pushed.send() == 1


def test_a_dead_worker_s_deliveries_are_taken_over_and_it_can_write_nothing_more(
    pushed: Bank, crm: Receiver
) -> None:
    with pushed.app.app_context():
        leases = outbox.DELIVERIES
        [mine] = leases.claim(db.engine, "me", leases.due(pushed.now), 10)
        assert leases.claim(db.engine, "other", leases.due(pushed.now), 10) == []
        assert pushed.send() == 0, "leased"
        db.session.execute(update(Delivery).values(lease_until=func.now() - dt.timedelta(seconds=1)))
        db.session.commit()
        assert not leases.still_held(db.engine, mine, "me"), "too late to send"
        assert pushed.send() == 1
        assert not leases.still_held(db.engine, mine, "me")
        leases.put_back(db.engine, [mine], "me", next_at=pushed.now)
        sent = pushed.one(Delivery)
        busy = Said.as_is("busy")
        too_late = Answer(
            sent.id, sent.push_id, sent.target_id, 1, pushed.now, "temporary", False, 503, busy, 9
        )
        assert not record(db.engine, too_late, "me", pushed.now)
    assert pushed.one(DeliveryAttempt).outcome == "ok"
    assert pushed.one(Delivery).status == "sent"
    assert crm.seen == {pushed.one(Delivery).uid: 1}


def test_many_workers_send_everything_once(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(1)
    bank.tick("2026-10-26 09:00")
    one = bank.one(Delivery)
    columns = {column.key for column in Delivery.__table__.columns} - {"id", "uid", "idempotency_key"}
    same = {name: getattr(one, name) for name in columns}
    for number in range(149):
        bank.session.add(Delivery(**same | {"uid": f"msg_{number}", "idempotency_key": f"k{number}"}))
    bank.session.commit()
    together = threading.Barrier(3)

    def work() -> None:
        with bank.app.app_context():
            together.wait()
            deliver.work(lambda: bank.now, wait=False)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(crm.accepted) == 150
    assert set(crm.seen.values()) == {1}
    assert {each.status for each in bank.all(Delivery)} == {"sent"}
    assert bank.one(Push).status == "done"


def test_many_hits_go_in_parts_and_none_is_lost(
    bank: Bank, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.channels.base import Limits
    from app.channels.webhook import Webhook

    monkeypatch.setattr(Webhook, "limits", Limits(hits=4, seconds=15))
    bank.schedule(("webhook", "crm"))
    hits = bank.hits(9)
    bank.tick("2026-10-26 09:00")
    assert [(each.part, each.parts, each.hits) for each in bank.all(Delivery)] == [
        (1, 3, 4),
        (2, 3, 4),
        (3, 3, 1),
    ]
    bank.send()
    sent = [hit["id"] for body in crm.accepted.values() for hit in body["data"]["hits"]]
    assert sorted(sent) == [hit.id for hit in hits]
    assert {body["data"]["total"] for body in crm.accepted.values()} == {9}


def test_a_lead_deleted_meanwhile_is_left_out(pushed: Bank, crm: Receiver) -> None:
    first = pushed.session.scalars(select(Lead).where(Lead.lead_no == "L1")).one()
    first.deleted_at = pushed.now
    pushed.session.commit()
    pushed.send()
    [body] = crm.accepted.values()
    assert [hit["lead_no"] for hit in body["data"]["hits"]] == ["L2"]


def test_one_target_that_does_not_answer_holds_up_no_other(
    bank: Bank, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.target("file", "drop")
    bank.schedule(("webhook", "crm"), ("file", "drop"))
    bank.hits(1)
    crm.behave = lambda body: None
    monkeypatch.setattr(deliver, "THREADS", 1)
    for at in ("09:00", "10:00", "11:00"):
        bank.tick(f"2026-10-26 {at}")
        bank.hits(1)
    bank.send()
    by_target = {
        code: [each.status for each in bank.all(Delivery) if each.target.code == code]
        for code in ("crm", "drop")
    }
    assert by_target == {"crm": ["waiting"] * 3, "drop": ["sent"] * 3}
    assert sum(crm.seen.values()) == 1, "the rest was put back untried"


def test_what_people_do_with_a_delivery(pushed: Bank, crm: Receiver) -> None:
    with pushed.app.app_context():
        delivery = db.session.scalars(select(Delivery)).one()
        with pytest.raises(DomainError, match="changed its state"):
            outbox.replay(db.session, delivery, pushed.now)
        outbox.cancel(db.session, delivery, pushed.now)
        db.session.commit()
        assert pushed.send() == 0
        assert pushed.one(Push).status == "done"
        with pytest.raises(DomainError, match="changed its state"):
            outbox.retry_now(db.session, delivery, pushed.now)
        outbox.replay(db.session, delivery, pushed.now)
        db.session.commit()
    assert pushed.send() == 1


def test_a_sample_goes_out_at_once_and_touches_no_hit(bank: Bank, crm: Receiver) -> None:
    schedule = bank.schedule(("webhook", "crm"), quiet_hours=["00:00", "24:00"])
    bank.target("file", "drop")
    bank.hits(1)
    with bank.app.app_context():
        [to_crm, to_file] = send_sample(["crm", "drop"], "boss", schedule)
    assert (to_crm.ok, to_crm.http_status, str(to_crm.answer)) == (True, 200, '{"ok": true}')
    assert to_file.ok
    [body] = crm.accepted.values()
    assert body["test"] is True
    assert {hit["lead_no"] for hit in body["data"]["hits"]} == {"TEST-001", "TEST-002", "TEST-003"}
    push = bank.one(Push)
    assert (push.is_test, push.status, push.requested_by) == (True, "done", "boss")
    assert bank.session.scalar(select(func.count()).select_from(outbox.PushHit)) == 0
    crm.behave = lambda body: 500
    with bank.app.app_context():
        [failed] = send_sample(["crm"], "boss", schedule)
        assert (failed.ok, failed.http_status) == (False, 500)
        assert deliver.work(lambda: bank.now + dt.timedelta(days=3), wait=False) == 0, "tried once"
        with pytest.raises(DomainError, match="no target"):
            send_sample(["nobody"], "boss", schedule)
