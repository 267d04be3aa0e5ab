"""Plans of random schedules against a minute-by-minute brute force, and their invariants over years."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.schedules.calendar import Calendar, DayKind
from app.schedules.definition import DAYS, ScheduleDef
from app.schedules.plan import Push, Why, plan

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = Calendar()

clocks = st.builds(lambda h, m: f"{h:02d}:{m:02d}", st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
rows = st.lists(st.sampled_from("HMLS"), min_size=24, max_size=24).map("".join)
ranges = st.fixed_dictionaries(
    {
        "from": clocks,
        "to": st.one_of(clocks, st.just("24:00")),
        "level": st.sampled_from("HMLS"),
        "days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    }
).filter(lambda r: r["from"] != r["to"])
schedules = st.builds(
    lambda **given: ScheduleDef(code="S", name="s", rules=["R"], start_date=dt.date(2025, 12, 3), **given),
    preset=st.sampled_from(["hourly", "daily", "every_7_days", "every_30_days", "custom"]),
    at=clocks,
    interval_minutes=st.sampled_from([7, 15, 45, 240, 1440]),
    medium_factor=st.sampled_from([1, 1.5, 2]),
    low_factor=st.sampled_from([1, 4]),
    grid=st.dictionaries(st.sampled_from(DAYS), rows, max_size=7),
    min_gap_seconds=st.sampled_from([0, 30, 900, 5400, 40000]),
    weekend=st.sampled_from(["normal", "silent", 3]),
    holidays=st.sampled_from(["normal", "weekend", "silent"]),
    ranges=st.lists(ranges, max_size=2),
    quiet_hours=st.one_of(st.none(), st.just(["21:00", "08:00"]), st.just(["12:00", "13:30"])),
)
#: the push of a Sunday waits for Monday, and keeps Monday's own at its distance
WAITED = ScheduleDef(
    code="S", name="s", rules=["R"], preset="daily", at="02:00", weekend="silent", min_gap_seconds=40000
)
dates = st.dates(dt.date(2024, 1, 1), dt.date(2028, 12, 31))


def planned(s: ScheduleDef, first: dt.date, days: int, calendar: Calendar = CALENDAR) -> list[Push]:
    return list(plan(s, first, days, ZONE, calendar))


def seconds(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:]) * 60


def within(second: int, start: str, end: str) -> bool:
    a, b = seconds(start), seconds(end)
    return a <= second < b if a < b else second >= a or second < b


def level(s: ScheduleDef, at: dt.datetime) -> str:
    second = at.hour * 3600 + at.minute * 60 + at.second
    found = s.grid.get(DAYS[at.weekday()], "H" * 24)[at.hour]  # type: ignore[call-overload]
    for each in s.ranges:
        a, b = seconds(each.from_), seconds(each.to)
        today, yesterday = DAYS[at.weekday()] in each.days, DAYS[at.weekday() - 1] in each.days
        if (a < b and today and a <= second < b) or (
            a >= b and ((today and second >= a) or (yesterday and second < b))
        ):
            found = each.level
    return found


def resting(s: ScheduleDef, day: dt.date) -> tuple[bool, bool]:
    """Return whether the day is silent, and whether it is stretched like a weekend."""
    kind = CALENDAR.kind(day)
    if kind is DayKind.HOLIDAY and s.holidays == "silent":
        return True, False
    weekend = (day.weekday() >= 5 and kind is not DayKind.WORKDAY) or (
        kind is DayKind.HOLIDAY and s.holidays == "weekend"
    )
    return weekend and s.weekend == "silent", weekend and isinstance(s.weekend, int | float)


def silent(s: ScheduleDef, at: dt.datetime) -> bool:
    second = at.hour * 3600 + at.minute * 60 + at.second
    quiet = s.quiet_hours is not None and within(second, *s.quiet_hours)
    return resting(s, at.date())[0] or quiet or level(s, at) == "S"


def nominal(s: ScheduleDef, day: dt.date) -> list[dt.datetime]:
    midnight = dt.datetime.combine(day, dt.time())
    if s.preset == "hourly":
        return [midnight + dt.timedelta(hours=h) for h in range(24)]
    if s.preset != "custom":
        step = {"daily": 1, "every_7_days": 7, "every_30_days": 30}[s.preset]
        passed = (day - s.start_date).days if s.start_date else 0
        due = s.preset == "daily" or (passed >= 0 and passed % step == 0)
        return [midnight + dt.timedelta(seconds=seconds(s.at))] if due else []
    slots, at = [], midnight
    while at.date() == day:
        slots.append(at)
        factor = {"H": 1, "S": 1, "M": s.medium_factor, "L": s.low_factor}[level(s, at)]
        stretch = s.weekend if resting(s, day)[1] and not isinstance(s.weekend, str) else 1
        at += dt.timedelta(
            seconds=max(round(s.interval_minutes * 60 * factor * stretch), s.min_gap_seconds, 1)
        )
    return slots


def local(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.replace(tzinfo=None) if moment else None


@given(schedules, dates)
@settings(max_examples=80, deadline=None)
def test_every_slot_is_what_the_words_say(s: ScheduleDef, first: dt.date) -> None:
    """Slots, silence and delay of three days minute by minute; the minimum gap is tested separately."""
    days = [first + dt.timedelta(days=n) for n in range(3)]
    found = planned(s, first, 3)
    slots = [slot for day in days for slot in nominal(s, day)]
    assert [local(push.planned) for push in found] == slots
    later = [slot for n in range(3, 45) for slot in nominal(s, first + dt.timedelta(days=n))]
    ends = [*slots[1:], *later[:1]] if later else [*slots[1:], dt.datetime.max]
    last: dt.datetime | None = None
    for push, slot, end in zip(found, slots, ends, strict=False):
        at = local(push.at)
        crowded = last is not None and slot - last < dt.timedelta(seconds=s.min_gap_seconds)
        if not silent(s, slot) and not crowded and last is not None:
            assert (push.outcome, at) == ("send", slot)
        if at is None:
            check_no_free_minute(s, slot, min(end, slot + dt.timedelta(days=3)), last)
        elif at != slot:
            assert push.outcome == "delayed"
            assert slot < at < end
            assert not silent(s, at)
            if not crowded:
                check_no_free_minute(s, slot, at, last)
        last = at or last


def check_no_free_minute(
    s: ScheduleDef, start: dt.datetime, end: dt.datetime, last: dt.datetime | None
) -> None:
    """Check that no moment from start until end is allowed."""
    earliest = max(start, last + dt.timedelta(seconds=s.min_gap_seconds)) if last else start
    at = start
    while at < end:
        assert silent(s, at) or at < earliest or last is None, at
        at += dt.timedelta(minutes=1)


@given(schedules, dates)
@settings(max_examples=40, deadline=None)
def test_promises(s: ScheduleDef, first: dt.date) -> None:
    found = planned(s, first, 40)
    sent = [local(push.at) for push in found if push.at]
    for at in sent:
        assert at is not None
        assert not silent(s, at)
    gap = dt.timedelta(seconds=s.min_gap_seconds)
    assert all(b - a >= gap for a, b in pairwise(sent) if a and b)
    if s.preset not in ("hourly", "custom"):
        assert {f"{push.planned:%H:%M}" for push in found} <= {s.at}
    assert {push.outcome for push in found} <= {"send", "delayed", "silenced"}


@given(schedules, dates, st.integers(1, 19))
@settings(max_examples=40, deadline=None)
@example(WAITED, dt.date(2026, 1, 30), 3)
def test_in_one_piece_or_in_two(s: ScheduleDef, first: dt.date, cut: int) -> None:
    whole = planned(s, first, 20)
    parts = planned(s, first, cut) + planned(s, first + dt.timedelta(days=cut), 20 - cut)
    assert parts == whole


@given(schedules, dates)
@settings(max_examples=40, deadline=None)
def test_slots_of_a_day_keep_the_interval_of_the_cell(s: ScheduleDef, first: dt.date) -> None:
    """Slots are as far apart as level and weekend demand, and pushes keep their order."""
    found = planned(replaced(s, preset="custom"), first, 10)
    for before, after in pairwise(found):
        if before.planned.date() != after.planned.date():
            continue
        begin = before.planned.replace(tzinfo=None)
        factor = {"H": 1, "S": 1, "M": s.medium_factor, "L": s.low_factor}[level(s, begin)]
        rest = resting(s, begin.date())[1]
        stretch = float(s.weekend) if rest and not isinstance(s.weekend, str) else 1
        least = max(s.interval_minutes * factor * stretch, s.min_gap_seconds / 60)
        assert after.planned - before.planned >= dt.timedelta(minutes=least)
        if before.at and after.outcome == "send":
            assert before.at < after.planned


@given(schedules, st.dates(dt.date(1990, 1, 1), dt.date(2200, 12, 31)))
@settings(max_examples=25, deadline=None)
def test_it_always_ends(s: ScheduleDef, first: dt.date) -> None:
    """In any year, also with everything silent, indexing a plan gives the same pushes as iterating."""
    hushed = replaced(s, grid=dict.fromkeys(DAYS, "S" * 24), ranges=[])
    assert {push.outcome for push in planned(hushed, first, 35)} <= {"silenced"}
    found = plan(s, first, 35, ZONE, CALENDAR)
    assert [found[place] for place in range(len(found))] == list(found)
    assert found[-2:] == list(found)[-2:]


def replaced(s: ScheduleDef, **changes: Any) -> ScheduleDef:
    return s.model_copy(update=changes)


def daily(**given: Any) -> ScheduleDef:
    return ScheduleDef(code="S", name="s", rules=["R"], preset="daily", **given)


def shown(pushes: list[Push]) -> list[tuple[str, str | None, str]]:
    return [(f"{p.planned:%m-%d}", f"{p.at:%m-%d %H:%M}" if p.at else None, p.outcome) for p in pushes]


def test_national_day_and_its_make_up_saturday() -> None:
    """In 2026, 1–7 October are holidays and Saturday 10 October is a working day."""
    found = shown(planned(daily(weekend="silent"), dt.date(2026, 10, 6), 6))
    assert found == [
        ("10-06", None, "silenced"),
        ("10-07", "10-08 00:00", "delayed"),
        ("10-08", "10-08 09:00", "send"),
        ("10-09", "10-09 09:00", "send"),
        ("10-10", "10-10 09:00", "send"),
        ("10-11", "10-12 00:00", "delayed"),
    ]


def test_own_holidays_win_and_unknown_years_are_plain() -> None:
    own = Calendar({dt.date(2031, 5, 1): DayKind.HOLIDAY})
    assert shown(planned(daily(holidays="silent"), dt.date(2031, 4, 30), 3, own)) == [
        ("04-30", "04-30 09:00", "send"),
        ("05-01", "05-02 00:00", "delayed"),
        ("05-02", "05-02 09:00", "send"),
    ]
    assert Calendar().knows(2026)
    assert own.unknown_years(dt.date(2026, 5, 1), dt.date(2031, 1, 1)) == [2027, 2028, 2029, 2030, 2031]
    whole = {dt.date(2031, 1, day): DayKind.HOLIDAY for day in range(1, 14)}
    assert Calendar(whole).knows(2031)


def test_each_silence_has_its_reason() -> None:
    s = daily(
        at="10:00",
        grid={"mon": "S" * 24},
        ranges=[{"from": "09:00", "to": "11:00", "level": "S", "days": ["tue"]}],
        quiet_hours=["09:30", "10:30"],
        weekend="silent",
        holidays="silent",
    )
    found = {push.planned.date(): push.why for push in planned(s, dt.date(2026, 10, 1), 17)}
    assert [found[dt.date(2026, 10, day)] for day in (1, 8, 11, 12)] == [
        Why.HOLIDAY,
        Why.QUIET,
        Why.WEEKEND,
        Why.QUIET,
    ]
    loud = replaced(s, quiet_hours=None)
    found = {push.planned.date(): push.why for push in planned(loud, dt.date(2026, 10, 12), 3)}
    assert list(found.values()) == [Why.CELL, Why.RANGE, Why.ON_TIME]
    crowded = daily(at="00:30", min_gap_seconds=86400, ranges=[], quiet_hours=["00:00", "01:00"])
    assert planned(crowded, dt.date(2026, 10, 13), 1)[0].why == Why.QUIET


def test_always_silent_ends() -> None:
    s = daily(grid=dict.fromkeys(DAYS, "S" * 24))
    assert {push.outcome for push in planned(s, dt.date(2026, 1, 1), 30)} == {"silenced"}


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC"])
def test_times_carry_the_zone(zone: str) -> None:
    push = plan(daily(), dt.date(2026, 10, 26), 1, ZoneInfo(zone), CALENDAR)[0]
    assert (
        push.planned.isoformat() == f"2026-10-26T09:00:00{'+08:00' if zone == 'Asia/Shanghai' else '+00:00'}"
    )
