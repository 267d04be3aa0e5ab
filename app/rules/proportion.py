"""Proportions and their differences with 95 % confidence intervals.

Wilson's score interval (Wilson 1927), its extension to the difference of two shares (Newcombe 1998, "Interval
estimation for the difference between independent proportions", method 10) and to their ratio (Donner and Zou
2012, "Closed-form confidence intervals for functions of the normal mean and standard deviation"), and a mean
of differences (Zou and Donner 2008, "Construction of confidence limits about effect measures"). All but the
first assume independent groups; for overlapping groups the intervals are too wide rather than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

#: the 97.5th percentile of the standard normal distribution
Z = 1.959963984540054


class Share(NamedTuple):
    """``part`` of ``whole``. Without a whole it has no value."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share from 0 to 1, None without a whole."""
        return self.part / self.whole if self.whole else None


class Interval(NamedTuple):
    """A lower and an upper bound; ``high`` may be infinite."""

    low: float
    high: float


def wilson(share: Share) -> Interval:
    """Return the confidence interval of a share, from 0 to 1 when there is no whole."""
    n, p = share.whole, share.value
    if p is None:
        return Interval(0.0, 1.0)
    middle = p + Z * Z / (2 * n)
    reach = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    low = 0.0 if share.part == 0 else (middle - reach) / scale
    high = 1.0 if share.part == n else (middle + reach) / scale
    return Interval(low, high)


def difference(one: Share, other: Share) -> Interval | None:
    """Return the confidence interval of ``one`` − ``other``, None when either has no whole."""
    p, q = one.value, other.value
    if p is None or q is None:
        return None
    (l1, u1), (l2, u2) = wilson(one), wilson(other)
    low = p - q - math.hypot(p - l1, u2 - q)
    high = p - q + math.hypot(u1 - p, q - l2)
    return Interval(low, high)


def mean_difference(pairs: Sequence[tuple[Share, Share]]) -> tuple[float, Interval] | None:
    """Return the weighted mean of the differences of pairs of shares, with its confidence interval.

    Pairs have Mantel–Haenszel weights, so that groups with different proportions of sizes don't fake a
    difference; limits are combined as by Zou and Donner. A single pair gives the same interval as
    ``difference``. Pairs without a whole are left out; None when no pair is left.
    """
    whole = [pair for pair in pairs if pair[0].whole and pair[1].whole]
    if not whole:
        return None
    weights = [one.whole * other.whole / (one.whole + other.whole) for one, other in whole]
    middle = below = above = 0.0
    for (one, other), weight in zip(whole, weights, strict=True):
        part = weight / sum(weights)
        apart, limits = (
            (one.value or 0.0) - (other.value or 0.0),
            difference(one, other) or Interval(-1.0, 1.0),
        )
        middle += part * apart
        below += (part * (apart - limits.low)) ** 2
        above += (part * (limits.high - apart)) ** 2
    return middle, Interval(middle - math.sqrt(below), middle + math.sqrt(above))


def ratio(one: Share, other: Share) -> Interval | None:
    """Return the confidence interval of ``one`` / ``other``, None when the ratio has no value."""
    p, q = one.value, other.value
    if p is None or not q:
        return None
    (l1, u1), (l2, u2) = wilson(one), wilson(other)
    low = _end(p * q, l1 * (2 * p - l1), u2 * (2 * q - u2), -1)
    high = _end(p * q, u1 * (2 * p - u1), l2 * (2 * q - l2), +1)
    return Interval(low, high)


def _end(product: float, above: float, below: float, side: int) -> float:
    """Return a root of below·r² − 2·product·r + above = 0, computed without dividing by a vanishing term."""
    root = math.sqrt(max(product * product - above * below, 0.0))
    if side < 0:
        return max(above / (product + root), 0.0) if above > 0 else 0.0
    return (product + root) / below if below > 0 else math.inf
