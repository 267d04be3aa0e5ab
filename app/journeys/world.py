"""What the steps of journeys depend on, as arrays: of the past to simulate, of the present to execute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.lib.lazy import lazy
from app.lib.wall_clock import WallClock
from app.outreach.caps import Cap
from app.outreach.openings import NEVER, Openings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
#: seconds of a moment, which stand below a number of a person in one integer
_TIME = 1 << 34


class Moments:
    """Moments of many people, such as contacts, counted between two moments."""

    def __init__(self, people: Array, moments: Array) -> None:
        self._keys = np.sort(people.astype(np.int64) * _TIME + moments)

    def count(self, people: Array, first: Array, last: Array) -> Array:
        """Return how many there are of each person from the first to the last moment, both included."""
        at = people.astype(np.int64) * _TIME
        upto = np.searchsorted(self._keys, at + last, side="right")
        return upto - np.searchsorted(self._keys, at + np.maximum(first, 0), side="left")

    def next(self, people: Array, moments: Array) -> Array:
        """Return the first at or after a moment of each person, NEVER when there is none."""
        if not len(self._keys):
            return np.full(len(people), NEVER, np.int64)
        at = people.astype(np.int64) * _TIME
        found = np.searchsorted(self._keys, at + np.maximum(moments, 0), side="left")
        keys = self._keys[np.minimum(found, len(self._keys) - 1)]
        mine = (found < len(self._keys)) & (keys // _TIME == people)
        return np.where(mine, keys % _TIME, NEVER)

    def __len__(self) -> int:
        return len(self._keys)


#: the moment at which a customer answers: of enrolments, their step's place, and the moments of the contacts
Answers = Callable[[Array, int, Array], Array]
#: whether a filter admits the people of enrolments as of days, by the filter's text
Truth = Callable[[Any, Array, Array], Array]


def no_answers(_who: Array, _step: int, moments: Array) -> Array:
    """Nobody answers."""
    return np.full(len(moments), NEVER, np.int64)


@dataclass
class World:
    """What is known of enrolments, each an element of the arrays.

    ``people`` numbers the persons as caps count them: leads that share a phone are one. ``leaving`` has, by
    the reasons of LEAVING, from when on somebody leaves, and until when if it ends. ``barred`` is by channel
    the number of the word for why no contact may be made, 0 for none; ``converted_at`` from when on none may.
    What is not given holds for nobody.
    """

    clock: WallClock
    openings: Openings
    caps: list[Cap]
    people: Array
    leads: Array
    entered: Array
    bits: Array
    leaving: dict[str, tuple[Array, Array | None]] = field(default_factory=dict)
    barred: dict[str, Array] = field(default_factory=dict)
    converted_at: Array | None = None
    #: contacts of people that caps count, made otherwise, by the channel of the cap
    counted: dict[str | None, Moments] = field(default_factory=dict)
    #: contacts and answers of leads that conditions ask for, by channel
    contacted: dict[str | None, Moments] = field(default_factory=dict)
    answered: dict[str | None, Moments] = field(default_factory=dict)
    outcomes: Moments | None = None
    answers: Answers = no_answers
    truth: Truth | None = None
    #: up to when contacts count against caps; None for the moment of each contact
    present: int | None = None
    #: who would call the customers, 0 for nobody; where a journey paces the calls of a marketer
    owners: Array | None = None
    #: when those go on whom a stop of their journey held up
    not_before: Array | None = None
