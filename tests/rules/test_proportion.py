"""The intervals agree with the tables of their papers and have the promised coverage."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.proportion import Interval, Share, difference, mean_difference, ratio, wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(Share(part, whole)) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    # Newcombe 1998, "Interval estimation for the difference …", table II, method 10
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert difference(Share(*one), Share(*other)) == pytest.approx((low, high), abs=5e-5)


shares = st.integers(1, 400).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))


@given(shares, shares)
def test_intervals_hold_the_value_and_mirror_each_other(one: Share, other: Share) -> None:
    p, q = one.value or 0.0, other.value or 0.0
    gap, back = difference(one, other), difference(other, one)
    assert gap is not None
    assert back == pytest.approx((-gap.high, -gap.low))
    assert gap.low - 1e-9 <= p - q <= gap.high + 1e-9
    found = ratio(one, other)
    if q == 0:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.low <= p / q * (1 + 1e-9)
    assert found.high >= p / q * (1 - 1e-9)
    mirrored = ratio(other, one)
    if p and mirrored and found.low > 0 and math.isfinite(mirrored.high):
        assert mirrored.high == pytest.approx(1 / found.low)


def test_a_ratio_covers_the_truth_as_often_as_promised() -> None:
    n, m, p, q = 60, 90, 0.3, 0.15
    chance = lambda k, n, p: math.comb(n, k) * p**k * (1 - p) ** (n - k)  # noqa: E731
    covered = sum(
        chance(a, n, p) * chance(b, m, q)
        for a in range(n + 1)
        for b in range(1, m + 1)
        if (found := ratio(Share(a, n), Share(b, m))) and found.low <= p / q <= found.high
    )
    assert 0.94 <= covered <= 0.975


def test_without_anybody_nothing_is_known() -> None:
    assert wilson(Share(0, 0)) == Interval(0.0, 1.0)
    assert difference(Share(0, 0), Share(1, 2)) is None
    assert ratio(Share(1, 2), Share(0, 5)) is None


def test_a_mean_of_differences() -> None:
    one, other = Share(56, 70), Share(48, 80)
    alone = mean_difference([(one, other), (Share(3, 9), Share(0, 0))])
    assert alone is not None
    assert alone[0] == pytest.approx(56 / 70 - 48 / 80)
    assert alone[1] == pytest.approx(difference(one, other))
    # Groups that convert alike, held out in different shares: thrown together they would seem to differ.
    alike = [(Share(90, 900), Share(10, 100)), (Share(50, 100), Share(450, 900))]
    found = mean_difference(alike)
    assert found is not None
    assert found[0] == pytest.approx(0)
    assert found[1].low < 0 < found[1].high
    one_pair = difference(*alike[0])
    assert one_pair is not None
    assert found[1].high - found[1].low < one_pair.high - one_pair.low
    assert mean_difference([(Share(1, 2), Share(0, 0))]) is None
