"""The amount of exhaustive testing: a share in `make test`, everything or much in `make test-long`.

On Spark, where the smallest question takes a second, it is half the share.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")
#: the Hypothesis profile that the Makefile selects; tests/conftest.py registers it
PROFILE = "long"
SPARK_PROFILE = "spark"
#: the marker of a test that uses a share
thorough = pytest.mark.thorough


def is_long() -> bool:
    """Return whether this is the long run."""
    return settings.get_current_profile_name() == PROFILE


def examples(few: int, many: int) -> Callable[[Any], Any]:
    """Try `few` examples of a property, `many` in the long run, and half of the few, but three, on Spark."""
    if settings.get_current_profile_name() == SPARK_PROFILE:
        few = max(few // 2, 3)
    bounds = settings(
        max_examples=many if is_long() else few, deadline=None, suppress_health_check=list(HealthCheck)
    )
    return lambda test: thorough(bounds(test))


def share(everything: Iterable[T], few: int) -> list[T]:
    """Return up to `few` items, always the same ones with the first and the last, or all in the long run."""
    found = list(everything)
    if is_long() or len(found) <= few:
        return found
    places = random.Random(few).sample(range(1, len(found) - 1), few - 2)
    return [found[place] for place in sorted({0, *places, len(found) - 1})]
