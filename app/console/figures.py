"""Key figures: a number with its term of the glossary, the list that it counts, and its trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.console.charts import Chart


class Note(NamedTuple):
    """A line below a figure; with ``url`` it opens the list of ``n`` rows."""

    text: str
    url: str = ""
    n: int = 0


@dataclass(frozen=True)
class Figure:
    """A number; ``url`` opens the list of the ``count`` rows behind it, ``term`` is its code in the glossary.

    ``text`` stands in place of the number. An ``urgent`` one is marked while it is not 0, the ``current`` one
    of several tabs always.
    """

    name: str
    count: int
    url: str
    term: str
    text: str = ""
    notes: Sequence[Note] = ()
    trend: Chart | None = None
    urgent: bool = False
    current: bool = False

    @property
    def shown(self) -> str:
        """Return what stands as the number."""
        return self.text or f"{self.count:,}"
