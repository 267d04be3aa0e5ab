"""Simulated behaviour of the demo's people: habits, visits to institutions, and the calls of a visit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

LENDERS = ("consumer_finance", "micro_loan")
DAYTIME = (1, 1, 0, 0, 0, 1, 2, 5, 12, 22, 26, 22, 14, 18, 24, 24, 20, 16, 16, 20, 24, 22, 12, 4)
WEEKEND = (2, 1, 1, 0, 0, 0, 1, 2, 6, 12, 18, 18, 14, 16, 20, 20, 18, 16, 18, 24, 30, 30, 20, 8)
AFTER_DARK = (14, 6, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5, 12, 26, 34, 34, 24)
#: weekend visits to institutions of a category, relative to an ordinary day
WEEKEND_SHARE = {"bank": 0.45, "securities": 0.3, "insurance": 0.8, "leasing": 1.2, "consumer_finance": 1.1}


@dataclass(frozen=True)
class Habit:
    """Behaviour of a kind of person. ``usual`` and ``busy`` are visits per day outside and inside a burst."""

    share: float
    usual: float
    categories: tuple[str, ...]
    busy: float = 0.0
    burst_days: tuple[int, int] = (0, 0)
    hours: tuple[int, ...] = DAYTIME
    one_institution: bool = False


HABITS = (
    Habit(0.425, 0.025, ("payment", "telecom", "payment", "bank", *LENDERS)),
    Habit(0.260, 0.13, ("payment", "payment", "telecom", "bank", "insurance", "consumer_finance")),
    Habit(0.055, 0.05, (*LENDERS, *LENDERS, "payment"), busy=1.4, burst_days=(3, 8)),
    Habit(0.015, 0.45, (*LENDERS, *LENDERS, "payment", "bank"), hours=AFTER_DARK),
    Habit(0.035, 0.05, (*LENDERS, "payment", "securities"), busy=0.9, burst_days=(4, 9), hours=AFTER_DARK),
    Habit(0.055, 0.02, LENDERS, busy=1.0, burst_days=(4, 9), one_institution=True),
    Habit(0.050, 0.13, ("insurance", "insurance", "payment")),
    Habit(0.040, 0.02, ("leasing",), busy=0.9, burst_days=(3, 7)),
    Habit(0.030, 0.04, ("securities", "securities", "bank"), busy=1.0, burst_days=(3, 6)),
    Habit(0.035, 0.05, ("bank", "bank", "payment"), busy=0.8, burst_days=(4, 8)),
)

#: steps of a visit to an institution of a category, with their probabilities
STEPS: dict[str, tuple[tuple[str, float], ...]] = {
    "consumer_finance": (("id_ocr", 0.8), ("face_verify", 0.75), ("data_call", 0.7)),
    "micro_loan": (("id_ocr", 0.7), ("face_verify", 0.8), ("data_call", 0.9)),
    "bank": (("id_ocr", 0.3), ("face_verify", 0.8), ("data_call", 0.4)),
    "insurance": (("id_ocr", 0.4), ("data_call", 0.8)),
    "leasing": (("id_ocr", 0.6), ("face_verify", 0.4), ("data_call", 0.8)),
    "securities": (("id_ocr", 0.8), ("face_verify", 0.9)),
    "payment": (("face_verify", 0.6), ("data_call", 0.3)),
    "telecom": (("id_ocr", 0.3), ("data_call", 0.6)),
}
FAILURE = {"id_ocr": 0.12, "face_verify": 0.07, "data_call": 0.02}
#: share of visits that end because the camera can't read the ID card
BAD_CAMERA = 0.02


class Call(NamedTuple):
    """One call as the provider logs it; ``at`` is local time."""

    at: dt.datetime
    event_type: str
    institution: str
    id_hash: str
    result: str


@dataclass(frozen=True)
class Character:
    """A person with a habit, its burst (day numbers) and a favourite institution."""

    id_hash: str
    habit: Habit
    burst: range
    favourite: str

    def visits(self, day: int, random: Random) -> int:
        """Draw the number of visits on a day."""
        rate = self.habit.busy if day in self.burst else self.habit.usual
        count = 0
        while random.random() < rate / (1 + rate):
            count += 1
        return count


def cast(people: Sequence[str], days: int, catalogue: Mapping[str, str], random: Random) -> list[Character]:
    """Distribute the habits over people (ID hashes) by share; ``catalogue`` maps codes to categories."""
    shuffled = random.sample(list(people), len(people))
    characters: list[Character] = []
    end = 0.0
    for habit in HABITS:
        begin, end = end, end + habit.share
        for person in shuffled[round(begin * len(people)) : round(end * len(people))]:
            choice = random.choice([c for c, kind in catalogue.items() if kind in habit.categories])
            characters.append(Character(person, habit, _burst(habit, days, random), choice))
    return characters


def _burst(habit: Habit, days: int, random: Random) -> range:
    if not habit.busy:
        return range(0)
    start = random.randrange(-habit.burst_days[1], days)
    # Every fourth early burst is moved to the last week, so that there are enough recent ones.
    if start < days - 7 and random.random() < 0.25:
        start = days - 1 - random.randrange(7)
    return range(start, start + random.randint(*habit.burst_days))


def calls_of_day(
    characters: Sequence[Character], day: int, date: dt.date, catalogue: Mapping[str, str], random: Random
) -> list[Call]:
    """Return all calls of a date in order of time; ``day`` is the date's number from 0."""
    by_category: dict[str, list[str]] = {}
    for code, category in catalogue.items():
        by_category.setdefault(category, []).append(code)
    weekend = date.weekday() >= 5
    calls: list[Call] = []
    for character in characters:
        for _ in range(character.visits(day, random)):
            category = random.choice(character.habit.categories)
            if weekend and random.random() > WEEKEND_SHARE.get(category, 1.0):
                continue
            institution = random.choice(by_category[category])
            if character.habit.one_institution:
                institution = character.favourite
            hours = WEEKEND if weekend and character.habit.hours is DAYTIME else character.habit.hours
            calls += _visit(character.id_hash, institution, catalogue[institution], date, hours, random)
    return sorted(calls)


def _visit(
    id_hash: str, institution: str, category: str, date: dt.date, hours: Sequence[int], random: Random
) -> Iterator[Call]:
    hour = random.choices(range(24), hours)[0]
    # A visit takes at most five minutes, so it stays within its hour.
    at = dt.datetime.combine(date, dt.time(hour)) + dt.timedelta(seconds=random.random() * 3300)
    for event_type, result in _attempts(category, random):
        yield Call(at, event_type, institution, id_hash, result)
        at += dt.timedelta(seconds=4 + random.random() * 20)


def _attempts(category: str, random: Random) -> Iterator[tuple[str, str]]:
    """Yield the calls of a visit. A failing step is tried three times before the person gives up."""
    steps = STEPS[category]
    if steps[0][0] == "id_ocr" and random.random() < BAD_CAMERA:
        yield from [("id_ocr", "fail")] * random.randint(3, 4)
        return
    for event_type, probability in steps:
        if random.random() >= probability:
            continue
        for _ in range(3):
            failed = random.random() < FAILURE[event_type]
            yield event_type, "fail" if failed else "success"
            if not failed:
                break
        else:
            return
