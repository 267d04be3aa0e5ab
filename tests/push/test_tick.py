"""When pushes are created and which hits they take."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text, update

from app.models import Delivery, Hit, Lead, Push, PushHit, Schedule, Target
from app.push import outbox
from app.push.tick import tick
from app.schedules.definition import ScheduleDef
from tests.push.conftest import ZONE, Bank, local
from tests.push.receiver import Receiver
from tests.schedules.test_plan import dates, schedules


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


def test_nobody_waits_for_a_push_that_takes_long_and_a_pause_undoes_it(
    bank: Bank, crm: Receiver, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    """The schedule is changed after the hits were taken and before the transaction ends."""
    schedule = bank.schedule(("webhook", "crm"))
    [hit] = bank.hits(1)
    bank.tick("2026-10-26 08:30")
    taken, go_on, made = threading.Event(), threading.Event(), []
    finish = outbox._make_deliveries

    def slowly(*given: Any) -> None:
        finish(*given)
        taken.set()
        go_on.wait(20)

    monkeypatch.setattr(outbox, "_make_deliveries", slowly)
    ticker = threading.Thread(target=lambda: made.append(bank.tick("2026-10-26 09:00")))
    ticker.start()
    assert taken.wait(20)
    with engine.begin() as people:
        people.execute(text("SET LOCAL lock_timeout = '2s'"))
        people.execute(select(Hit.id).where(Hit.id == hit.id).with_for_update(key_share=True))
        people.execute(update(Hit).values(status="in_progress"))
        people.execute(select(Schedule.id).with_for_update(key_share=True))
        people.execute(update(Schedule).values(status="paused"))
    go_on.set()
    ticker.join()
    assert made == [[]]
    assert bank.all(Push) == []
    bank.session.refresh(schedule)
    schedule.status = "active"
    bank.session.commit()
    assert len(bank.tick("2026-10-26 10:00")) == 1
    assert bank.one(Push).hits == 1


@given(
    spec=schedules,
    date=dates.filter(lambda day: 2025 < day.year < 2027),
    seed=st.randoms(use_true_random=False),
)
@hypothesis.settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_planned_is_what_happens(
    bank: Bank, cli: Callable[..., Any], spec: ScheduleDef, date: dt.date, seed: random.Random
) -> None:
    """The ticker wakes a few seconds after each due moment, and sometimes in between."""
    said = spec.model_dump(mode="json", by_alias=True, exclude={"code", "name", "rules", "channels"})
    code = f"S-{len(bank.all(Schedule)) + 1}"
    bank.session.execute(update(Schedule).values(status="paused"))
    bank.session.commit()
    schedule = bank.schedule(code=code, **said)
    begins = now = local(f"{date} 00:00")
    ends = begins + dt.timedelta(days=2)
    found: list[tuple[dt.datetime, dt.datetime]] = []
    while now < ends and len(found) < 25:
        bank.tick(f"{now + dt.timedelta(seconds=seed.uniform(0, 14)):%Y-%m-%d %H:%M:%S}")
        bank.session.refresh(schedule)
        due = schedule.next_due_at or ends
        assert due > now
        assert bank.tick(f"{now + (min(due, ends) - now) * seed.uniform(0.2, 0.8):%Y-%m-%d %H:%M:%S}") == []
        now = due.astimezone(ZONE)
        pushes = [each for each in bank.all(Push) if each.schedule_id == schedule.id]
        # A slot of the day before may be delayed into this one; the plan lists it with its own day.
        found = [(each.slot, each.at) for each in pushes if each.slot >= begins]
    answer = cli("push", "plan", code, "--date", date, "--days", 2, "--json")
    planned = [
        (dt.datetime.fromisoformat(each["planned"]), dt.datetime.fromisoformat(each["at"]))
        for each in json.loads(answer.stdout)["pushes"]
        if each["at"] and dt.datetime.fromisoformat(each["at"]) < ends
    ]
    assert found == planned[: len(found)]
    assert len(found) >= min(25, len(planned))


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
