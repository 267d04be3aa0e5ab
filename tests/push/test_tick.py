"""When pushes are made and which hits they take."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app.models import Delivery, Lead, Push, PushHit, Schedule, Target
from app.push.tick import tick
from tests.push.conftest import Bank, local
from tests.push.receiver import Receiver


def test_a_slot_takes_the_hits_that_were_not_pushed_before(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    first = bank.hits(2)
    assert bank.tick("2026-10-26 08:30") == []
    assert len(bank.tick("2026-10-26 09:00:10")) == 1
    second = bank.hits(3)
    bank.tick("2026-10-26 09:20")
    bank.tick("2026-10-26 10:00")
    pushes = bank.all(Push)
    assert [push.slot for push in pushes] == [local("2026-10-26 09:00"), local("2026-10-26 10:00")]
    assert [(push.hits, push.missed, push.outcome) for push in pushes] == [(2, 0, "send"), (3, 0, "send")]
    pairs = bank.session.execute(select(PushHit.push_id, PushHit.hit_id).order_by(PushHit.hit_id)).all()
    assert [tuple(pair) for pair in pairs] == [
        *((pushes[0].id, hit.id) for hit in first),
        *((pushes[1].id, hit.id) for hit in second),
    ]
    bank.tick("2026-10-26 11:00")
    empty = bank.all(Push)[-1]
    assert (empty.status, empty.hits) == ("empty", 0)
    assert len(bank.all(Delivery)) == 2


def test_held_out_hits_and_deleted_leads_stay_and_opted_out_ones_are_marked(
    bank: Bank, crm: Receiver
) -> None:
    bank.schedule(("webhook", "crm"))
    [gone] = bank.hits(1)
    bank.hits(1, holdout=True)
    [opted] = bank.hits(1, opted_out=True)
    bank.session.get_one(Lead, gone.lead_id).deleted_at = bank.now
    bank.session.commit()
    bank.tick("2026-10-26 09:00")
    assert bank.session.scalars(select(PushHit.hit_id)).all() == [opted.id]
    bank.send()
    [body] = crm.accepted.values()
    assert [hit["opted_out"] for hit in body["data"]["hits"]] == [True]


def test_two_schedules_push_the_same_hit_once_each(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    bank.schedule(("webhook", "crm"), code="S-2")
    bank.hits(1)
    for at in ("09:00", "10:00", "11:00"):
        bank.tick(f"2026-10-26 {at}")
    assert [push.hits for push in bank.all(Push)] == [1, 1, 0, 0, 0, 0]


def test_an_outage_ends_with_one_push(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(2)
    bank.tick("2026-10-26 08:30")
    bank.tick("2026-10-26 14:20")
    push = bank.one(Push)
    assert (push.slot, push.at) == (local("2026-10-26 14:00"), local("2026-10-26 14:20"))
    assert (push.missed, push.outcome, push.why) == (5, "delayed", "late")
    bank.tick("2026-10-26 14:21")
    assert len(bank.all(Push)) == 1


def test_after_an_outage_silence_and_the_minimum_gap_still_hold(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"), quiet_hours=["20:00", "08:00"], min_gap_seconds=1800)
    bank.tick("2026-10-26 18:59")
    bank.hits(1)
    assert bank.tick("2026-10-26 21:00") == []
    schedule = bank.one(Schedule)
    assert schedule.next_due_at == local("2026-10-27 08:00")
    bank.tick("2026-10-27 08:00:05")
    push = bank.one(Push)
    assert (push.slot, push.missed) == (local("2026-10-27 08:00"), 1)
    # Late by twenty minutes: the next slot keeps its distance from when this one really went out.
    bank.tick("2026-10-27 09:40")
    assert bank.tick("2026-10-27 10:00:05") == []
    assert len(bank.tick("2026-10-27 10:10")) == 1
    ats = [each.at for each in bank.all(Push)]
    assert min((b - a).total_seconds() for a, b in itertools.pairwise(ats)) >= 1800


def test_a_clock_that_jumps_repeats_nothing_and_loses_nothing(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(1)
    bank.tick("2026-10-26 09:00")
    bank.tick("2026-10-29 15:00")  # far ahead, by mistake
    assert [push.hits for push in bank.all(Push)] == [1, 0]
    bank.hits(1)
    assert bank.tick("2026-10-26 09:05") == []  # put right
    assert bank.tick("2026-10-26 09:00:30") == []
    assert len(bank.tick("2026-10-26 10:00")) == 1
    assert [push.hits for push in bank.all(Push)] == [1, 0, 1]


def test_a_paused_schedule_makes_up_for_nothing(bank: Bank, crm: Receiver) -> None:
    schedule = bank.schedule(("webhook", "crm"))
    bank.hits(1)
    bank.tick("2026-10-26 08:30")
    schedule.status = "paused"
    bank.session.commit()
    assert bank.tick("2026-10-26 10:00") == []
    schedule.status = "active"
    bank.session.commit()
    assert bank.tick("2026-10-26 10:20") == []
    assert len(bank.tick("2026-10-26 11:00")) == 1


def test_a_new_wording_holds_at_once(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"), preset="daily", at="18:00")
    bank.hits(1)
    bank.tick("2026-10-26 08:30")
    bank.schedule(("webhook", "crm"), preset="daily", at="09:00")
    assert bank.tick("2026-10-26 08:59") == []
    assert len(bank.tick("2026-10-26 09:00")) == 1


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ({"preset": "every_7_days", "at": "10:00", "start_date": "2026-10-26"}, "2026-11-02 10:00"),
        ({"preset": "every_30_days", "at": "10:00", "start_date": "2026-10-26"}, "2026-11-25 10:00"),
    ],
)
def test_long_presets_know_their_next_slot(
    bank: Bank, crm: Receiver, preset: dict[str, Any], expected: str
) -> None:
    bank.schedule(("webhook", "crm"), **preset)
    bank.tick("2026-10-26 10:00")
    assert bank.one(Schedule).next_due_at == local(expected)


def test_two_tickers_at_the_same_time_push_once(bank: Bank, crm: Receiver) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(50)
    bank.tick("2026-10-26 08:30")
    together = threading.Barrier(4)

    def one() -> None:
        with bank.app.app_context():
            together.wait()
            tick(local("2026-10-26 09:00"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [push.hits for push in bank.all(Push)] == [50]
    assert len(bank.all(Delivery)) == 1


def test_without_a_channel_hits_wait_for_one(bank: Bank, crm: Receiver) -> None:
    bank.schedule()
    bank.hits(2)
    bank.tick("2026-10-26 09:00")
    bank.schedule(("webhook", "crm"))
    bank.tick("2026-10-26 10:00")
    assert [push.hits for push in bank.all(Push)] == [0, 2]


def test_an_unknown_target_waits_to_be_set_up(bank: Bank, cli: Callable[..., Any]) -> None:
    bank.schedule(("webhook", "crm"), ("reminder", "staff"))
    crm, staff = bank.all(Target)
    assert (crm.code, crm.status, crm.stop_reason) == ("crm", "stopped", "not_set_up")
    assert (staff.code, staff.status) == ("staff", "active")
    bank.hits(1)
    bank.tick("2026-10-26 09:00")
    bank.send()
    assert [each.status for each in bank.all(Delivery)] == ["waiting", "sent"]


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ({"kind": "pigeon", "target": "crm"}, "schedules[0].channels[0]: 'pigeon': unknown channel"),
        ({"kind": "email", "target": "crm"}, "'crm': is a target of the channel webhook, not of email"),
    ],
)
def test_config_apply_refuses_what_no_channel_is(
    bank: Bank, crm: Receiver, cli: Callable[..., Any], tmp_path: Any, channel: dict[str, str], message: str
) -> None:
    bank.schedule()
    path = tmp_path / "rules.yaml"
    spec = {"code": "S-9", "name": "九", "rules": ["R-1"], "preset": "daily", "channels": [channel]}
    path.write_text(json.dumps({"schedules": [spec]}))
    result = cli("config", "apply", path)
    assert result.exit_code == 1
    assert message in result.stderr


def test_the_command_ticks_and_sends(bank: Bank, crm: Receiver, cli: Callable[..., Any]) -> None:
    bank.schedule(("webhook", "crm"))
    bank.hits(1)
    result = cli("push", "tick", "--now", "2026-10-26T09:00:00", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"pushes": [1], "attempts": 1}
    assert len(crm.accepted) == 1
    assert cli("push", "tick", "--now", "2026-10-26T01:00:10Z", "--json").exit_code == 0
    assert len(bank.all(Push)) == 1
    assert cli("push", "tick", "--now", "tomorrow").exit_code == 2
