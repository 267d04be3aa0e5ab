"""Slots of paced journeys: which day each contact has, so that no day has more of them than it may.

Slots are given in the order of the minutes in which they were asked for, within a minute in that of leads.
One that was given is not taken back when the customer leaves before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
NO_LIMIT = 1 << 62


class Key(NamedTuple):
    """What is counted on its own a day: contacts by a channel, or the calls of a user."""

    channel: str
    user: int


class Asked(NamedTuple):
    """Slots that are asked for: each is given at the end of a ``minute``, from ``first`` to ``last``.

    A day has at most ``most`` of a channel, a number in CHANNELS, and ``of_owner`` of an owner.
    """

    minute: Array
    lead: Array
    first: Array
    last: Array
    owner: Array
    channel: Array
    most: Array
    of_owner: Array

    def take(self, which: Any) -> Asked:
        """Return some of them."""
        return Asked(*(each[which] for each in self))

    @staticmethod
    def joined(parts: Sequence[Asked]) -> Asked:
        """Return several as one."""
        return parts[0] if len(parts) == 1 else Asked(*map(np.concatenate, zip(*parts, strict=True)))


class Slots:
    """The slots of a journey: ``given`` has how many there are by key and local day, and grows."""

    def __init__(
        self, world: World, given: Mapping[tuple[Key, int], int] | None = None, until: int = NEVER
    ) -> None:
        self._clock, self._openings, self._until = world.clock, world.openings, until
        self.given = dict(given or {})
        #: slots up to ``until`` that are on a later day than they would be without pacing, by channel
        self.later = np.zeros(len(CHANNELS), np.int64)
        self._next: dict[tuple[Key, int, int], int] = {}
        self._opens: dict[int, int] = {}

    def give(self, asked: Asked) -> Array:
        """Return the first slots that no limit forbids, 0 for none up to the last moment."""
        slots, order = np.zeros(len(asked.lead), np.int64), np.lexsort((asked.lead, asked.minute))
        for channel, which in _by(asked.channel[order]):
            mine = order[which]
            # Other limits are those of another version of the journey.
            limits = np.stack((asked.most[mine], asked.of_owner[mine]))
            changes = np.flatnonzero((limits[:, 1:] != limits[:, :-1]).any(axis=0)) + 1
            for some in np.split(mine, changes):
                slots[some] = self._give(CHANNELS[channel], asked.take(some))
        return slots

    def _give(self, channel: str, asked: Asked) -> Array:
        """Return slots of a channel, given in order to those with the same limits.

        All go through the days together: what one finds on a day depends only on who comes to it before.
        """
        slots, days = np.zeros(len(asked.lead), np.int64), self._clock.days(asked.first)
        possible = np.flatnonzero((asked.first <= asked.last) & (asked.first < NEVER))
        coming = {day: [possible[which]] for day, which in _by(days[possible])}
        while coming:
            day = min(coming)
            parts = coming.pop(day)
            here = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
            moment = np.where(days[here] == day, asked.first[here], self._opening(day))
            in_time = moment <= asked.last[here]
            here, moment = here[in_time], moment[in_time]
            free = self._on(day, channel, asked.take(here))
            has = free == day
            slots[here[has]] = moment[has]
            late = here[~has]
            for next_day, which in _by(free[~has]):
                opens = self._opening(next_day)
                if opens < NEVER:
                    coming.setdefault(self._day(opens), []).append(late[which])
        self.later[CHANNELS.index(channel)] += ((asked.first < slots) & (slots <= self._until)).sum()
        return slots

    def _on(self, day: int, channel: str, asked: Asked) -> Array:
        """Give slots of a day. Return it for those who have one, for the others the next day that is free."""
        has, free = np.ones(len(asked.lead), bool), np.full(len(asked.lead), day)
        if not len(has):
            return free
        most, of_owner, all_of = int(asked.most[0]), int(asked.of_owner[0]), Key(channel, ANYBODY)
        mine = np.flatnonzero(asked.owner != ANYBODY) if of_owner < NO_LIMIT else free[:0]
        users, user = np.unique(asked.owner[mine], return_inverse=True)
        keys = [Key(channel, each) for each in users.tolist()]
        if keys:
            room = np.array([of_owner - self.given.get((key, day), 0) for key in keys])
            has[mine] = _places(user) < room[user]
        if most < NO_LIMIT:
            has &= np.cumsum(has) <= most - self.given.get((all_of, day), 0)
            self._count(all_of, day, int(has.sum()))
        for key, number in zip(keys, np.bincount(user[has[mine]], minlength=len(keys)).tolist(), strict=True):
            self._count(key, day, number)
        if not has.all():
            free[~has] = self._free(all_of, most, day)
            if keys:
                later = np.array([self._free(key, of_owner, day) for key in keys])
                free[mine] = np.where(has[mine], day, np.maximum(free[mine], later[user]))
        return free

    def _count(self, key: Key, day: int, number: int) -> None:
        if number:
            self.given[key, day] = self.given.get((key, day), 0) + number

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
        return int(self._clock.days(np.int64(moment)))

    def _opening(self, day: int) -> int:
        if day not in self._opens:
            self._opens[day] = int(self._openings.first(self._clock.midnights(np.int64(day))))
        return self._opens[day]


def _by(values: Array) -> Iterator[tuple[int, Array]]:
    """Yield each of some values and the places where it is."""
    if not len(values):
        return
    if (values == values[0]).all():
        yield int(values[0]), np.arange(len(values))
        return
    order = np.argsort(values, kind="stable")
    each, starts = np.unique(values[order], return_index=True)
    yield from zip(each.tolist(), np.split(order, starts[1:]), strict=True)


def _places(numbers: Array) -> Array:
    """Return of each how many before it have the same number."""
    order, counts = np.argsort(numbers, kind="stable"), np.bincount(numbers)
    places = np.empty(len(numbers), np.int64)
    places[order] = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def asked(plan: Plan, place: int, moves: Moves, world: World, which: Array) -> Asked:
    """Return the slots that some of those who took a step ask for."""
    if moves.asks is None:
        raise ValueError("nobody asks for a slot")
    channel, who, end = plan.steps[place].channel, moves.batch.who[which], moves.at[which]
    most = plan.most.get(CHANNELS[channel])
    of_owner = plan.calls_per_marketer if CHANNELS[channel] == "call" else None

    def same(number: int) -> Array:
        return np.full(len(who), number)

    return Asked(
        *(end, world.leads[who], np.maximum(moves.asks.first[which], world.openings.first(end))),
        moves.asks.last[which],
        same(ANYBODY) if world.owners is None else world.owners[who],
        same(channel),
        *(same(NO_LIMIT if limit is None else limit) for limit in (most, of_owner)),
    )


def with_slot(batch: Batch, slots: Array) -> Batch:
    """Return those who asked with the slots that they were given, 0 for none."""
    # No slot means the end of the hold; a contact that no cap held waits until contact hours are known.
    until = np.where(batch.hold > 0, batch.hold, NEVER)
    given = slots > 0
    return replace(batch, slot=np.where(given, slots, until), refused=np.where(given, 0, batch.refused))
