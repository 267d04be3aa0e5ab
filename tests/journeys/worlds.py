"""Random journeys, and random banks of a few people as records of people and as arrays."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from app.journeys.definition import JourneyDef, reachable
from app.journeys.draw import Draw, places
from app.journeys.plan import Plan
from app.journeys.simulation import Candidates, Rows
from app.journeys.step import STATUSES
from app.journeys.world import Moments, World
from app.lib.wall_clock import WallClock, number_of, seconds_of
from app.outreach.caps import caps_of
from app.outreach.openings import NEVER as NEVER_SECONDS
from app.outreach.openings import Openings
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar, DayKind
from app.segments.filter import NotOf
from tests.journeys.brute import NEVER, Bank, Person, Row
from tests.journeys.support import RICH, journey, sms, wait

#: journeys over the end of daylight saving, a month's end and the holidays of October
FIRST, LAST = dt.date(2025, 9, 20), dt.date(2025, 11, 5)
ZONES = ("Asia/Shanghai", "Europe/Berlin")
TESTS: list[dict[str, Any]] = [
    RICH,
    {"not": RICH},
    {"any": [{"contacted": "sms", "days": 2}, {"answered": "call", "days": 30}]},
    {"all": [{"answered": "any", "days": 3}, RICH]},
    {"interactions": 1, "days": 10},
]


def random_journey(dice: random.Random) -> JourneyDef:
    """Return a journey of up to eight steps before the end, with cycles through waits."""
    names = [f"s{number}" for number in range(dice.randint(1, 8))]
    steps = [_step(dice, number, names) for number in range(len(names))]
    return JourneyDef.model_validate(
        journey(
            *steps,
            reentry=dice.choice(["never", {"after_days": dice.choice([1, 5, 12])}]),
            **dice.choice([{}, {"goal": {"outcome": "any"}}]),
        )
    )


def _step(dice: random.Random, number: int, names: list[str]) -> dict[str, Any]:
    later = [*names[number + 1 :], "end"]

    def to() -> str:
        return dice.choice(later[:3])

    kind = dice.choice(["contact", "contact", "contact", "wait", "wait", "branch", "split", "act"])
    if kind == "contact":
        channel = dice.choice(["sms", "call"])
        template = {"sms": "T-LOAN", "call": "T-CALL"}[channel]
        held = dice.choice([{}, {"held": to()}])
        hold = dice.choice([0, 5, 24, 60])
        return sms(names[number], to(), channel=channel, template=template, hold_hours=hold, **held)
    if kind == "wait":
        how = dice.choice(
            [
                {"hours": dice.choice([0.5, 20, 72])},
                {"days": dice.randint(1, 9)},
                {"at": "02:30"},
                {"at": "21:15"},
            ]
        )
        # Back to where one has been: around a cycle that takes its time.
        back = dice.choice(names[: number + 1]) if dice.random() < 0.3 and "days" in how else to()
        until = dice.choice(["answered", "outcome", None])
        if until is None:
            return wait(names[number], back, **how)
        return wait(names[number], to(), timeout=back, until=until, **how)
    if kind == "branch":
        cases = [{"when": dice.choice(TESTS), "then": to()} for _each in range(dice.randint(1, 2))]
        return {"id": names[number], "do": "branch", "cases": cases, "else": to()}
    if kind == "split":
        a, b = dice.sample(later, 2) if len(later) > 1 else (later[0], names[0])
        if b == names[0]:
            return {"id": names[number], "do": "task", "title": "回访", "then": "end"}
        share = dice.randint(1, 99)
        return {"id": names[number], "do": "split", "parts": {a: share, b: 100 - share}}
    act = dice.choice(
        [
            {"do": "task", "title": "回访"},
            {"do": "tag", "add": ["vip"]},
            {"do": "hand", "to": "owner"},
            {"do": "hand", "to": "branch"},
            {"do": "webhook", "target": "crm"},
        ]
    )
    return {"id": names[number], "then": to(), **act}


def without_unreachable(made: JourneyDef) -> JourneyDef:
    """Return a journey without the steps that nobody can reach."""
    reached = reachable(made.steps)
    return made.model_copy(update={"steps": [step for step in made.steps if step.id in reached]})


def random_bank(dice: random.Random, plan: Plan, count: int) -> tuple[Bank, World, Candidates]:
    """Return a bank of so many people, and the same as arrays."""
    zone = ZoneInfo(dice.choice(ZONES))
    opens, closes = dice.choice(
        [("09:00", "20:00"), ("00:00", "24:00"), ("01:30", "02:45"), ("10:15", "10:16")]
    )
    caps = {name: dice.choice([None, 1, 2, 3]) for name in ("sms_cap", "call_cap", "total_cap")}
    days = {name: dice.choice([1, 3, 7, 30]) for name in ("sms_days", "call_days", "total_days")}
    settings = OutreachSettings.model_validate(
        {"open_from": opens, "open_to": closes, "skip_holidays": dice.random() < 0.7, **caps, **days}
    )
    own = {FIRST + dt.timedelta(days=dice.randint(0, 50)): dice.choice(list(DayKind)) for _each in range(4)}
    calendar = Calendar(own)
    phones = count if dice.random() < 0.5 else max(1, count // 2)
    people = [_person(dice, zone, phones, number) for number in range(count)]
    contacts = {
        phone: [
            (_moment(dice, zone, -30, 40), dice.choice(["sms", "call"]))
            for _each in range(dice.randint(0, 3))
        ]
        for phone in range(phones)
        if dice.random() < 0.5
    }
    answers = dice.choice(["none", "all", "past"])
    bits = np.array([dice.getrandbits(64) for _person_ in people], np.uint64)
    for step in plan.steps:
        if step.do == "split":
            for person, drawn in zip(people, places(bits, step.key), strict=True):
                person.part[step.id] = int(drawn)
    bank = Bank(zone, settings, calendar, people, contacts, None, LAST)
    world, candidates = _arrays(bank, bits)
    if plan.journey.goal is None:
        del world.leaving["goal"]
    share = 0 if answers == "none" else 1 << 32 if answers == "all" else 1 << 31

    def replies(who: Any, place: int, moments: Any) -> Any:
        drawn = places(world.bits[who], plan.steps[place].key, world.entered[who])
        return np.where(drawn < share, moments, NEVER_SECONDS)

    def answers_to(lead: int, entered: dt.datetime, step: str, _channel: str) -> bool:
        key = next(each.key for each in plan.steps if each.id == step)
        drawn = places(bits[lead : lead + 1], key, np.array([seconds_of(entered)], np.int64))
        return bool(drawn[0] < share)

    world.answers, bank.answers = replies, answers_to
    return bank, world, candidates


def _moment(dice: random.Random, zone: dt.tzinfo, first: int, last: int) -> dt.datetime:
    day = FIRST + dt.timedelta(days=dice.randint(first, last))
    time = dt.time(dice.randint(0, 23), dice.choice([0, 0, 15, 30]))
    return dt.datetime.combine(day, time, zone).astimezone(dt.UTC)


def _person(dice: random.Random, zone: dt.tzinfo, phones: int, number: int) -> Person:
    def sometimes(share: float) -> dt.datetime:
        return _moment(dice, zone, 0, 40) if dice.random() < share else NEVER

    enters = {_moment(dice, zone, 1, 30) for _each in range(dice.choice([1, 1, 2, 5]))}
    if dice.random() < 0.5:
        enters = {each.replace(hour=6, minute=0) for each in enters}
    since = sometimes(0.2)
    before = since + dt.timedelta(days=dice.randint(1, 9)) if since < NEVER and dice.random() < 0.6 else NEVER
    return Person(
        phone=number % phones,
        enters=sorted(enters),
        deleted=sometimes(0.1),
        opted_out=(since, before),
        holdout=dice.random() < 0.05,
        outcomes=[
            FIRST + dt.timedelta(days=dice.randint(-5, 40)) for _each in range(dice.choice([0, 0, 1, 2]))
        ],
        bought_before=sometimes(0.1),
        barred=dice.choice(["phone", "grade"]) if dice.random() < 0.1 else "",
        rich=FIRST + dt.timedelta(days=dice.randint(-40, 80)),
    )


def _arrays(bank: Bank, bits: Any) -> tuple[World, Candidates]:
    far = dt.timedelta(days=400)
    clock = WallClock(bank.zone, FIRST - far, LAST + far)
    openings = Openings(bank.settings, bank.calendar, bank.zone, FIRST - far, LAST + far)
    entries = [(lead, moment) for lead, each in enumerate(bank.people) for moment in each.enters]
    leads = np.array([lead for lead, _moment_ in entries], np.int64)
    moments = np.array([seconds_of(moment) for _lead, moment in entries], np.int64)
    people = np.array([each.phone for each in bank.people])[leads]
    words = Plan(JourneyDef.model_validate(journey()), Draw(b"", "")).words
    barred = [
        words.index(bank.people[lead].barred) if bank.people[lead].barred else 0 for lead, _m in entries
    ]
    counted: dict[str | None, list[tuple[int, int]]] = {"sms": [], "call": [], None: []}
    for phone, each in bank.contacts.items():
        for moment, channel in each:
            for name in (channel, None):
                counted[name].append((phone, seconds_of(moment)))
    rich = np.array([number_of(min(each.rich, dt.date(2100, 1, 1))) for each in bank.people])
    bought = [
        (lead, seconds_of(bank.midnight(day)))
        for lead, each in enumerate(bank.people)
        for day in each.outcomes
    ]

    def of(name: str) -> Any:
        return np.array([_seconds(getattr(bank.people[lead], name)) for lead in leads], np.int64)

    goals = [_goal(bank, bank.people[lead], moment) for lead, moment in entries]
    held_out = [0 if bank.people[lead].holdout else NEVER_SECONDS for lead in leads]
    out = [[_seconds(each) for each in bank.people[lead].opted_out] for lead in leads]
    world = World(
        *(clock, openings, caps_of(bank.settings), people, leads, moments, bits[leads]),
        leaving={
            "deleted": (of("deleted"), None),
            "opted_out": (np.array(out, np.int64)[:, 0], np.array(out, np.int64)[:, 1]),
            "holdout": (np.array(held_out, np.int64), None),
            "goal": (np.array(goals, np.int64), None),
        },
        barred=dict.fromkeys(("sms", "call"), np.array(barred, np.int16)),
        converted_at=of("bought_before"),
        counted={name: Moments(*_columns(each)) for name, each in counted.items()},
        outcomes=Moments(*_columns(bought)),
        truth=lambda part, who, days: _truth(part, rich[leads[who]] <= days),
    )
    return world, Candidates(leads, moments)


def _truth(part: Any, is_rich: Any) -> Any:
    if isinstance(part, NotOf):
        return ~_truth(part.not_, is_rich)
    return is_rich


def _columns(pairs: list[tuple[int, int]]) -> tuple[Any, Any]:
    return np.array([a for a, _b in pairs], np.int64), np.array([b for _a, b in pairs], np.int64)


def _seconds(moment: dt.datetime) -> int:
    return NEVER_SECONDS if moment == NEVER else seconds_of(moment)


def _goal(bank: Bank, person: Person, entered: dt.datetime) -> int:
    """Return from when on the goal is reached: an outcome since the day of entering."""
    bought = [each for each in person.outcomes if each >= bank.local(entered).date()]
    return seconds_of(bank.midnight(min(bought))) if bought else NEVER_SECONDS


def told(plan: Plan, rows: Rows | None) -> list[Row]:
    """Return rows of a simulation as the brute force tells them."""
    if rows is None:
        return []
    return [
        (
            int(rows.who[each]),
            plan.steps[rows.place[each]].id,
            dt.datetime.fromtimestamp(int(rows.due[each]), dt.UTC),
            STATUSES[rows.status[each]],
            dt.datetime.fromtimestamp(int(rows.at[each]), dt.UTC) if rows.status[each] else None,
            plan.words[rows.why[each]] if rows.status[each] else "",
        )
        for each in range(len(rows.who))
    ]
