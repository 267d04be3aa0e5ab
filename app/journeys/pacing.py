"""Slots of paced journeys: which day each contact has, so that no day has more of them than it may.

Slots are given in the order of the minutes in which they were asked for, within a minute in that of leads.
One that was given is not taken back when the customer leaves before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from app.journeys.plan import CHANNELS, Plan
from app.journeys.step import Batch, Moves
from app.journeys.world import World
from app.lib.lazy import lazy
from app.outreach.openings import NEVER

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
#: nobody in particular
ANYBODY = 0


class Key(NamedTuple):
    """What is counted on its own a day: contacts by a channel, or the calls of a user."""

    channel: str
    user: int


class Asked(NamedTuple):
    """A slot that is asked for: it is given at the end of a ``minute``, from ``first`` to ``last``."""

    minute: int
    lead: int
    limits: list[tuple[Key, int]]
    first: int
    last: int


class Slots:
    """The slots of a journey: ``given`` has how many there are by key and local day, and grows."""

    def __init__(
        self, world: World, given: Mapping[tuple[Key, int], int] | None = None, until: int = NEVER
    ) -> None:
        self._clock, self._openings, self._until = world.clock, world.openings, until
        self.given = dict(given or {})
        #: slots up to ``until`` that are on a later day than they would be without pacing, by channel
        self.later = dict.fromkeys(CHANNELS, 0)
        self._next: dict[tuple[Key, int, int], int] = {}
        self._opens: dict[int, int] = {}

    def give(self, asked: Asked) -> int | None:
        """Return the first slot that no limit forbids, None when there is none up to the last moment."""
        limits, first, last = asked.limits, asked.first, asked.last
        moment, day = first, self._day(first)
        while moment <= last and moment < NEVER:
            free = max((self._free(key, most, day) for key, most in limits), default=day)
            if free == day:
                for key, _most in limits:
                    self.given[key, day] = self.given.get((key, day), 0) + 1
                if first < moment <= self._until:
                    self.later[limits[0][0].channel] += 1
                return moment
            moment = self._opening(free)
            day = self._day(moment)
        return None

    def _free(self, key: Key, most: int, day: int) -> int:
        """Return the first day from one on that has less than the most."""
        full = []
        while self.given.get((key, day), 0) >= most:
            full.append(day)
            day = self._next.get((key, most, day), day + 1)
        for each in full:
            self._next[key, most, each] = day
        return day

    def _day(self, moment: int) -> int:
        return int(self._clock.days(np.int64(moment))) if moment < NEVER else NEVER

    def _opening(self, day: int) -> int:
        if day not in self._opens:
            self._opens[day] = int(self._openings.first(self._clock.midnights(np.int64(day))))
        return self._opens[day]


def limits(plan: Plan, channel: str, owner: int) -> list[tuple[Key, int]]:
    """Return what limits a contact of a paced journey to a customer with an owner, 0 for none."""
    found = []
    if (most := plan.most.get(channel)) is not None:
        found.append((Key(channel, ANYBODY), most))
    if channel == "call" and owner and plan.calls_per_marketer is not None:
        found.append((Key(channel, owner), plan.calls_per_marketer))
    return found


def asked(plan: Plan, place: int, moves: Moves, world: World, which: Array) -> list[Asked]:
    """Return the slots that some of those who took a step ask for."""
    asks, channel = moves.asks, CHANNELS[plan.steps[place].channel]
    if asks is None:
        return []
    who, end = moves.batch.who[which], moves.at[which]
    owners = np.zeros(len(who), np.int64) if world.owners is None else world.owners[who]
    first = np.maximum(asks.first[which], world.openings.first(end))
    columns = (end, world.leads[who], owners, first, asks.last[which])
    return [
        Asked(minute, lead, limits(plan, channel, owner), begins, last)
        for minute, lead, owner, begins, last in zip(*(each.tolist() for each in columns), strict=True)
    ]


def with_slot(batch: Batch, slots: Sequence[int | None]) -> Batch:
    """Return those who asked with the slots that they were given, None for none."""
    given = np.array([slot is not None for slot in slots], bool)
    moments = np.array([slot or 0 for slot in slots], np.int64)
    # No slot means the end of the hold; a contact that no cap held waits until contact hours are known.
    until = np.where(batch.hold > 0, batch.hold, NEVER)
    return replace(batch, slot=np.where(given, moments, until), refused=np.where(given, 0, batch.refused))
