"""The invented people and their simulated behaviour."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import groupby
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from app.activity.ingest import ingest
from app.activity.store import snapshot
from app.demo import behaviour, people
from app.demo.provider import Provider
from app.leads.identity import canonical_id
from app.leads.phone import normalise_phone

CATALOGUE = {f"{category}-{n}": category for category in behaviour.STEPS for n in range(3)}
MONDAY = dt.date(2026, 10, 12)


@pytest.fixture(scope="module")
def week() -> list[list[behaviour.Call]]:
    """Return the calls of 4,000 people in a week, Monday to Sunday."""
    random = Random(1)
    hashes = [random.randbytes(32).hex() for _ in range(4000)]
    characters = behaviour.cast(hashes, 7, CATALOGUE, random)
    days = (MONDAY + dt.timedelta(days=n) for n in range(7))
    return [behaviour.calls_of_day(characters, n, day, CATALOGUE, random) for n, day in enumerate(days)]


def test_customers_are_different_valid_and_nobody() -> None:
    found = people.customers(20_000, {"HZ": 1, "SH": 3}, Random(1))
    assert len({customer.id_number for customer in found}) == 20_000
    assert len({customer.phone for customer in found}) == 20_000
    assert all(canonical_id(customer.id_number) == customer.id_number for customer in found)
    assert all(normalise_phone(customer.phone) == customer.phone for customer in found)
    assert {customer.id_number[:2] for customer in found} == {"99"}
    assert {customer.phone[:3] for customer in found} == set(people.MOBILE_PREFIXES)
    homes = Counter(customer.branch for customer in found)
    assert 2.7 < homes["SH"] / homes["HZ"] < 3.3


def test_the_habits_are_shares_of_everybody() -> None:
    assert sum(habit.share for habit in behaviour.HABITS) == pytest.approx(1)
    cast = behaviour.cast([f"{n:064x}" for n in range(1000)], 30, CATALOGUE, Random(1))
    assert len({character.id_hash for character in cast}) == 1000
    assert all(bool(character.burst) == bool(character.habit.busy) for character in cast)


def test_few_people_are_busy_and_evenings_and_weekends_differ(week: list[list[behaviour.Call]]) -> None:
    calls = Counter(call.id_hash for day in week for call in day)
    busiest = sum(n for _person, n in calls.most_common(len(calls) // 5))
    assert busiest > 0.45 * calls.total()
    hours = Counter(call.at.hour for day in week for call in day)
    assert hours[21] > 5 * hours[5]
    banks = [sum(call.institution.startswith("bank") for call in day) for day in week]
    assert max(banks[5:]) < min(banks[:5])


def test_calls_lie_on_their_date_in_order_and_failures_are_tried_again(
    week: list[list[behaviour.Call]],
) -> None:
    for n, day in enumerate(week):
        assert {call.at.date() for call in day} == {MONDAY + dt.timedelta(days=n)}
        assert day == sorted(day)
    calls = sorted(
        (call for day in week for call in day), key=lambda call: (call.id_hash, call.institution, call.at)
    )
    visits = [
        list(group) for _key, group in groupby(calls, key=lambda call: (call.id_hash, call.institution))
    ]
    again = [visit for visit in visits if [call.result for call in visit[:2]] == ["fail", "success"]]
    assert any(visit[0].event_type == visit[1].event_type for visit in again)


def test_deliveries_are_read_back_with_late_repeated_and_broken_rows(
    week: list[list[behaviour.Call]], tmp_path: Path
) -> None:
    provider = Provider(tmp_path / "inbox", ZoneInfo("Asia/Shanghai"), Random(2))
    rows = 0
    for n, day in enumerate(week):
        rows += provider.deliver(MONDAY + dt.timedelta(days=n), day, last=n == 6)
    result = ingest(tmp_path / "activity", [tmp_path / "inbox"], timezone="Asia/Shanghai")
    found = result.as_json()
    assert found["rows"] == rows
    assert found["files"] == 21
    assert found["accepted"] == sum(map(len, week))
    assert 0 < found["duplicates"] < rows * 0.01
    assert 0 < sum(found["rejected"].values()) < rows * 0.01
    events = {day: entry.rows for day, entry in snapshot(tmp_path / "activity").days.items()}
    assert events == {MONDAY + dt.timedelta(days=n): len(day) for n, day in enumerate(week)}


def test_equal_seeds_deliver_equal_files(week: list[list[behaviour.Call]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        Provider(tmp_path / name, ZoneInfo("Asia/Shanghai"), Random(3)).deliver(MONDAY, week[0], last=True)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("part-*")} for name in ("a", "b")
    )
    assert first == second
    assert len(first) == 3
    # Two seconds apart they would differ by the time in the gzip header.
    assert first["part-a.csv.gz"][4:8] == bytes(4)
