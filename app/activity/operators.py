"""The operators that compare the value of a condition with its threshold: their words and what they mean.

Everything else derives from these entries, as from those of ``metrics``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.errors import N_

Operator = Literal[">=", ">", "==", "<=", "<"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)


@dataclass(frozen=True)
class OperatorEntry:
    """An operator; ``sign`` and ``words`` are how people write and say it."""

    sign: str
    words: str
    #: of numbers, Ibis columns and NumPy arrays alike
    compare: Callable[[Any, Any], Any]
    #: of a threshold and the largest value there can be: the least and the largest value that pass
    bounds: Callable[[int, int], tuple[int, int]]


REGISTRY: dict[Operator, OperatorEntry] = {
    ">=": OperatorEntry("≥", N_("at least"), operator.ge, lambda value, most: (value, most)),
    ">": OperatorEntry(">", N_("more than"), operator.gt, lambda value, most: (value + 1, most)),
    "==": OperatorEntry("=", N_("exactly"), operator.eq, lambda value, most: (value, min(value, most))),
    "<=": OperatorEntry("≤", N_("at most"), operator.le, lambda value, most: (0, min(value, most))),
    "<": OperatorEntry("<", N_("less than"), operator.lt, lambda value, most: (0, min(value - 1, most))),
}
