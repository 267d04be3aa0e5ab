"""Simulated journeys are, row by row, what a plain loop over people makes of them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from app.journeys import check, simulation
from app.journeys.definition import JourneyDef
from app.journeys.draw import Draw
from app.journeys.plan import Plan
from app.journeys.simulation import Rows, simulate
from app.lib.wall_clock import number_of
from tests.journeys.brute import Brute, Row
from tests.journeys.worlds import FIRST, LAST, random_bank, random_journey, told
from tests.thorough import share, thorough

DAYS = (number_of(FIRST), number_of(LAST))


def sound(dice: random.Random) -> JourneyDef:
    """Return a random journey without cycles that take no time."""
    while True:
        made = random_journey(dice)
        problems = check.of_steps(made.steps, check.Known())
        if not [each for each in problems if "cycle" in each.error.message]:
            return made


def alike(rows: list[Row], shares: set[int]) -> list[Row]:
    """Return rows in which the cap that holds a contact is not told of those who share a phone.

    Which of two caps is full first is told as of the last look, when another lead may have been contacted.
    """
    caps = ("cap_channel", "cap_total")
    return [(*row[:5], "cap") if row[5] in caps and row[0] in shares else row for row in rows]


def compare(seed: int, count: int) -> tuple[int, set[str]]:
    """Compare one random journey and bank. Return the number of rows and what occurred in them."""
    dice = random.Random(seed)
    plan = Plan(sound(dice), Draw(b"secret", "J"))
    bank, world, candidates = random_bank(dice, plan, count)
    parts: list[Rows] = []
    tally = simulate(plan, world, candidates, DAYS, parts.append)
    rows = [row for each in parts for row in told(plan, each)]
    wanted = Brute(plan.journey, bank).run()
    phones = [each.phone for each in bank.people]
    shares = {n for n, lead in enumerate(candidates.leads) if phones.count(phones[lead]) > 1}
    assert alike(sorted(rows, key=lambda row: row[0]), shares) == alike(wanted, shares), seed
    _check_counts(plan, bank, tally, wanted)
    return len(rows), {row[5] for row in rows} | {row[3] for row in rows}


def _check_counts(plan: Plan, bank: Any, tally: simulation.Tally, rows: list[Row]) -> None:
    assert tally.entered == len({row[0] for row in rows})
    assert tally.still_in == sum(row[3] == "waiting" for row in rows)
    left = [row[5] for row in rows if row[3] == "skipped"]
    assert (tally.goal, tally.left) == (left.count("goal"), len(left) - left.count("goal"))
    for place, step in enumerate(plan.steps):
        of = [row[3] for row in rows if row[1] == step.id]
        assert list(tally.steps[place]) == [of.count(each) for each in ("waiting", "done", "held", "skipped")]
    made = [row for row in rows if row[3] == "done" and plan.journey.steps[_place(plan, row)].do == "contact"]
    days = [(bank.local(row[4]).date(), plan.journey.steps[_place(plan, row)].channel) for row in made]
    counted = {
        (number_of(FIRST) + day, channel): int(tally.contacts[day, channel])
        for day, channel in zip(*np.nonzero(tally.contacts), strict=True)
    }
    assert counted == {
        (number_of(day), ("sms", "call").index(channel)): days.count((day, channel))
        for day, channel in set(days)
    }
    assert tally.outside == 0
    assert [row for row in made if bank.opens(row[4]) != row[4]] == []


def _place(plan: Plan, row: Row) -> int:
    return _place_of(plan, row[1])


def _place_of(plan: Plan, name: str) -> int:
    return [step.id for step in plan.steps].index(name)


def test_random_journeys_of_random_banks_are_what_a_plain_loop_makes_of_them() -> None:
    seen: set[str] = set()
    rows = 0
    for seed in range(60):
        found, words = compare(seed, 25)
        rows, seen = rows + found, seen | words
    assert rows > 3000
    assert {"waiting", "done", "held", "skipped", "deleted", "opted_out", "holdout", "goal"} <= seen
    assert {"cap_channel", "cap_total", "phone", "grade", "converted"} <= seen
    assert {"answered", "outcome", "timeout", "case 1", "else"} <= seen


@pytest.mark.long
def test_many_random_journeys_are_what_a_plain_loop_makes_of_them() -> None:
    for seed in range(1000, 2500):
        compare(seed, 40)


def test_chunks_and_threads_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHUNK", 7)
    for seed in range(100, 120):
        compare(seed, 25)


@thorough
def test_no_random_journey_contacts_anybody_at_a_forbidden_moment() -> None:
    made = 0
    for seed in share(range(10_000), 80):
        dice = random.Random(seed)
        plan = Plan(sound(dice), Draw(b"secret", "J"))
        bank, world, candidates = random_bank(dice, plan, 8)
        parts: list[Rows] = []
        assert simulate(plan, world, candidates, DAYS, parts.append).outside == 0
        for who, step, _due, status, at, _why in (row for each in parts for row in told(plan, each)):
            if status == "done" and plan.journey.steps[_place_of(plan, step)].do == "contact":
                person = bank.people[candidates.leads[who]]
                assert at is not None
                assert bank.opens(at) == at, seed
                assert at < person.deleted, seed
                assert not person.opted_out[0] <= at < person.opted_out[1], seed
                made += 1
    assert made > 300
