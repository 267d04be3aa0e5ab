"""The holdout group: uniform, independent between rules, stable, and growing with its share."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter

from app.rules.holdout import Lottery
from config import Settings

PEOPLE = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]


def places(settings: Settings, code: str) -> list[float]:
    lottery = Lottery(settings, code)
    return [lottery.place(person) for person in PEOPLE]


def chi_square(counts: Counter[int], cells: int) -> float:
    expected = len(PEOPLE) / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))


def limit(freedom: int) -> float:
    """The 99.99th percentile of chi-square, by Wilson and Hilferty."""
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + 3.719 * math.sqrt(spread)) ** 3


def test_places_are_uniform(settings: Settings) -> None:
    drawn = places(settings, "R-1")
    assert all(0 <= place < 1 for place in drawn)
    assert chi_square(Counter(int(place * 100) for place in drawn), 100) < limit(99)


def test_two_rules_draw_independently(settings: Settings) -> None:
    pairs = zip(places(settings, "R-1"), places(settings, "R-10"), strict=True)
    cells = Counter(int(one * 10) * 10 + int(other * 10) for one, other in pairs)
    assert chi_square(cells, 100) < limit(99)


def test_a_larger_share_keeps_everybody_of_a_smaller_one(settings: Settings) -> None:
    lottery = Lottery(settings, "R-1")
    groups = [{p for p in PEOPLE if lottery.holds_out(p, percent)} for percent in (0, 5, 20, 50)]
    assert groups[0] == set()
    assert groups[1] < groups[2] < groups[3]
    for group, percent in zip(groups[1:], (5, 20, 50), strict=True):
        assert abs(len(group) / len(PEOPLE) - percent / 100) < 0.015


def test_the_draw_is_the_same_for_ever_and_another_with_another_key(settings: Settings) -> None:
    pinned = dataclasses.replace(settings, id_hash_key="k" * 40)
    assert round(Lottery(pinned, "R-1").place("ab" * 32), 6) == PLACE
    other = dataclasses.replace(settings, id_hash_key="j" * 40)
    assert Lottery(other, "R-1").place("ab" * 32) != Lottery(pinned, "R-1").place("ab" * 32)


#: what the first release drew; changing it would redraw every group in use
PLACE = 0.657576
