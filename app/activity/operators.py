"""The operators that compare the value of a condition with its threshold: display name and meaning.

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
    """An operator; ``sign`` and ``words`` are its written and spoken forms."""

    sign: str
    words: str
    #: compares numbers, Ibis columns and NumPy arrays alike
    compare: Callable[[Any, Any], Any]
    #: returns the least and the largest value that pass, for a threshold and the largest possible value
    bounds: Callable[[int, int], tuple[int, int]]


REGISTRY: dict[Operator, OperatorEntry] = {
    ">=": OperatorEntry("≥", N_("at least"), operator.ge, lambda value, most: (value, most)),
    ">": OperatorEntry(">", N_("more than"), operator.gt, lambda value, most: (value + 1, most)),
    "==": OperatorEntry("=", N_("exactly"), operator.eq, lambda value, most: (value, min(value, most))),
    "<=": OperatorEntry("≤", N_("at most"), operator.le, lambda value, most: (0, min(value, most))),
    "<": OperatorEntry("<", N_("less than"), operator.lt, lambda value, most: (0, min(value - 1, most))),
}
