"""Means of money a person, and their sums and differences with 95 % confidence intervals.

Most people buy nothing and few buy much, so that a mean plus or minus two standard errors, estimated from the
few who bought, is right far less often than it says. Wilson's score interval does better: it asks which true
means make the observed one likely. It needs to know how the spread depends on the mean. With the mean size of
a purchase, weighted by itself, as its ``size`` s, amounts of mean m have the variance m·(s − m); for amounts
that are 0 or 1, s is 1 and this is Wilson's interval. The size is estimated from both arms together. Limits
are combined as by Zou and Donner (app/rules/proportion.py), as Newcombe does for two shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from app.rules.proportion import Interval, Z


@dataclass(frozen=True)
class Sums:
    """An amount of 0 or more for each of a number of people: its sum, and that of its squares."""

    people: int
    total: float
    squares: float

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.people + other.people, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """The amount a person."""
        return self.total / self.people if self.people else 0.0

    @property
    def size(self) -> float:
        """The size of a purchase as its share of the spread weighs it; 0 without any."""
        return self.squares / self.total if self.total else 0.0

    def interval(self, size: float) -> Interval:
        """Return the interval of the mean, given the size of purchases. There are people."""
        part = Z * Z / self.people
        middle = self.mean + part * size / 2
        reach = math.sqrt(max(part * (self.mean * (size - self.mean) + part * size * size / 4), 0.0))
        return Interval(max(middle - reach, 0.0) / (1 + part), (middle + reach) / (1 + part))


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    interval: Interval

    def __mul__(self, factor: float) -> Estimate:
        """Return a multiple by a positive number."""
        return Estimate(self.value * factor, Interval(*(end * factor for end in self.interval)))

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, Interval(-self.interval.high, -self.interval.low))


def total(parts: Iterable[Estimate]) -> Estimate:
    """Return the sum of independent estimates."""
    parts = list(parts)
    value = sum(each.value for each in parts)
    below = math.hypot(*(each.value - each.interval.low for each in parts))
    above = math.hypot(*(each.interval.high - each.value for each in parts))
    return Estimate(value, Interval(value - below, value + above))


def difference(one: Sums, other: Sums) -> Estimate:
    """Return the difference of the means ``one`` − ``other``, both of people."""
    size = (one + other).size
    means = (Estimate(each.mean, each.interval(size)) for each in (one, other))
    first, second = means
    return total([first, -second])
