"""How much is tried of what has no end: a share by `make test`, everything or much by `make test-long`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")
#: Makefile chooses the profile of this name, tests/conftest.py makes it known
PROFILE = "long"
#: the mark of a test that asks for its share
thorough = pytest.mark.thorough


def is_long() -> bool:
    """Whether this run is the one that may take long."""
    return settings.get_current_profile_name() == PROFILE


def examples(few: int, many: int) -> Callable[[Any], Any]:
    """Try `few` examples of a property in every run, `many` in the long one."""
    bounds = settings(
        max_examples=many if is_long() else few, deadline=None, suppress_health_check=list(HealthCheck)
    )
    return lambda test: thorough(bounds(test))


def share(everything: Iterable[T], few: int) -> list[T]:
    """The first, the last and some between, always the same, up to `few`; all of them in the long run."""
    found = list(everything)
    if is_long() or len(found) <= few:
        return found
    places = random.Random(few).sample(range(1, len(found) - 1), few - 2)
    return [found[place] for place in sorted({0, *places, len(found) - 1})]
