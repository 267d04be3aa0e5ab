"""Enrolments led through a whole journey, from who could enter to what is counted of each step.

People are independent of each other, so that many take a step at once, in any order, and are counted chunk
by chunk. Leads that share a phone are one person to the caps: they take their steps one by one, in time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.journeys.definition import Contact, Reentry
from app.journeys.plan import CHANNELS, OVER, Plan
from app.journeys.step import DONE, SKIPPED, STATUSES, WAITING, Batch, Moves, advance
from app.journeys.world import World
from app.lib.lazy import lazy
from app.lib.wall_clock import DAY
from app.outreach.openings import NEVER

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
#: people who take a step together: their arrays stay in the cache of a processor
CHUNK = 1 << 16
THREADS = 2
_TIME = 1 << 34
#: instead of a step: about to enter
_ENTERS = -2


@dataclass(frozen=True)
class Candidates:
    """Who could enter, sorted by lead and moment: the elements of the world. ``leads`` number them from 0."""

    leads: Array
    moments: Array

    def chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of about so many, none of which divides a lead."""
        start, total = 0, len(self.leads)
        while start < total:
            end = min(start + size, total)
            end = int(np.searchsorted(self.leads, self.leads[end - 1], side="right"))
            yield start, end
            start = end


@dataclass(frozen=True)
class Rows:
    """Steps that enrolments came to. ``at`` says nothing of those that wait."""

    who: Array
    place: Array
    due: Array
    status: Array
    at: Array
    why: Array

    def in_order(self) -> Rows:
        """Return them enrolment by enrolment, each in the order of its steps."""
        order = np.argsort(self.who, kind="stable")
        return Rows(*(getattr(self, name)[order] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Callers:
    """Who calls the customers: of each element of the world the number of a caller, of so many."""

    of: Array
    number: int


class Tally:
    """What is counted of a simulation.

    ``whys`` are steps by place, status and the number of the word for why, ``contacts`` those made by local
    day and channel, ``calls`` those by caller and local day.
    """

    def __init__(
        self, plan: Plan, world: World, first_day: int, last_day: int, callers: Callers | None = None
    ) -> None:
        self._plan, self._world, self.first_day, self._callers = plan, world, first_day, callers
        self.entered = self.outside = 0
        days = last_day - first_day + 1
        self.whys = np.zeros((len(plan.steps), len(STATUSES), len(plan.words)), np.int64)
        self.contacts = np.zeros((days, len(CHANNELS)), np.int64)
        self.calls = np.zeros((callers.number if callers else 0, days), np.int64)

    @property
    def steps(self) -> Array:
        """Arrivals at each step by what became of them."""
        return self.whys.sum(axis=2)

    @property
    def goal(self) -> int:
        """How many reached the goal."""
        return int(self.whys[:, SKIPPED, self._plan.words.index("goal")].sum())

    @property
    def left(self) -> int:
        """How many left for another reason."""
        return int(self.whys[:, SKIPPED].sum()) - self.goal

    @property
    def still_in(self) -> int:
        """How many are under way at the end."""
        return int(self.whys[:, WAITING].sum())

    def add(self, place: int, moves: Moves) -> None:
        """Count a step of a batch."""
        found = self._by_why(moves)
        self.whys[place] += found
        step, done = self._plan.steps[place], int(found[DONE].sum())
        if isinstance(step.definition, Contact) and done:
            made: Any = slice(None) if done == len(moves.at) else moves.status == DONE
            at = moves.at[made]
            day = self._world.clock.days(at) - self.first_day
            self.contacts[:, step.channel] += np.bincount(day, minlength=len(self.contacts))
            self.outside += int((~self._world.openings.include(at)).sum())
            if self._callers and CHANNELS[step.channel] == "call":
                place_of = self._callers.of[moves.batch.who[made]] * len(self.contacts) + day
                self.calls += np.bincount(place_of, minlength=self.calls.size).reshape(self.calls.shape)

    def _by_why(self, moves: Moves) -> Array:
        words = len(self._plan.words)
        if moves.why.any():
            key = moves.status * np.int16(words) + moves.why
            return np.bincount(key, minlength=len(STATUSES) * words).reshape(len(STATUSES), words)
        found = np.zeros((len(STATUSES), words), np.int64)
        found[:, 0] = np.bincount(moves.status, minlength=len(STATUSES))
        return found

    def merge(self, other: Tally) -> None:
        """Add what another one counted."""
        for name in ("entered", "outside", "whys", "contacts", "calls"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def simulate(
    plan: Plan,
    world: World,
    candidates: Candidates,
    days: tuple[int, int],
    sink: Callable[[Rows], None] | None = None,
    threads: int = THREADS,
    callers: Callers | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Tally:
    """Lead everybody through the journey over the days from the first to the last.

    ``sink`` is given the rows of each chunk, in the order of the candidates; ``report`` how many chunks are
    done, of how many. A single thread is the caller's.
    """
    run = _Run(plan, world, candidates, days, sink is not None, callers)
    total = Tally(plan, world, *days, callers)
    ranges = list(candidates.chunks(CHUNK))
    with ThreadPoolExecutor(threads) as pool:
        each_of = map if threads == 1 else pool.map
        for number, (tally, rows) in enumerate(each_of(lambda each: run.chunk(*each), ranges), 1):
            total.merge(tally)
            if sink is not None and rows is not None:
                sink(rows)
            if report is not None:
                report(number, len(ranges))
    return total


def paths(plan: Plan, world: World, candidates: Candidates, days: tuple[int, int], which: Array) -> Rows:
    """Return the steps of some candidates, as ``simulate`` finds them: all of a person, or nobody."""
    return _Run(plan, world, candidates, days, True, None).some(which)


class _Run:
    """One simulation; its chunks may be run at the same time."""

    def __init__(
        self,
        plan: Plan,
        world: World,
        candidates: Candidates,
        days: tuple[int, int],
        keeps: bool,
        callers: Callers | None,
    ) -> None:
        self._plan, self._world, self._days, self._keeps = plan, world, days, keeps
        self._callers = callers
        self._leads, self._moments = candidates.leads, candidates.moments
        self._until = int(world.clock.midnights(np.int64(days[1] + 1))) - 1
        self._rank = plan.order()
        reentry = plan.journey.reentry
        self._again = reentry.after_days if isinstance(reentry, Reentry) else None
        self._together = self._sharing()

    def _sharing(self) -> Array | None:
        """Return which candidates share their caps with another lead, None when nobody does."""
        if not self._world.caps:
            return None
        first = np.flatnonzero(np.diff(self._leads, prepend=-1))
        people = self._world.people[first]
        _each, index, number = np.unique(people, return_inverse=True, return_counts=True)
        shares = number[index] > 1
        return np.repeat(shares, np.diff(np.append(first, len(self._leads)))) if shares.any() else None

    def chunk(self, start: int, end: int) -> tuple[Tally, Rows | None]:
        """Run the candidates of a range. Those who share a phone are run with the first of them."""
        paths = self._paths()
        alone = np.arange(start, end)
        if self._together is not None:
            alone = alone[~self._together[start:end]]
            if start == 0:
                self._run_together(np.flatnonzero(self._together), paths)
        self._run_alone(alone, paths)
        return paths.tally, paths.rows()

    def some(self, which: Array) -> Rows:
        """Run some candidates. Return their rows in order."""
        paths, together = self._paths(), self._together
        if together is not None:
            self._run_together(which[together[which]], paths)
            which = which[~together[which]]
        self._run_alone(which, paths)
        found = paths.rows()
        if found is None:
            none = np.zeros(0, np.int64)
            return Rows(none, none, none, none, none, none)
        return found

    def _paths(self) -> _Paths:
        return _Paths(Tally(self._plan, self._world, *self._days, self._callers), self._keeps)

    def _run_alone(self, who: Array, paths: _Paths) -> None:
        """Let leads enter, each as often as it may, and lead them through."""
        entering = who[np.flatnonzero(np.diff(self._leads[who], prepend=-1))]
        batch = Batch.starting(self._plan, self._world, entering, self._moments[entering])
        while len(batch):
            ended = self._lead_through(batch, paths)
            batch = self._entering_again(ended)

    def _entering_again(self, ended: list[tuple[Array, Batch]]) -> Batch:
        """Return those who enter once more, given batches that the journey is over for, and since when."""
        none = np.zeros(0, np.int64)
        if self._again is None or not ended:
            return Batch.starting(self._plan, self._world, none, none)
        before, over = (
            Batch.joined([each for _at, each in ended]),
            np.concatenate([at for at, _each in ended]),
        )
        clock, leads = self._world.clock, self._leads
        entered = self._moments[before.who]
        ready = np.maximum(clock.moments(clock.local(entered) + self._again * DAY), over)
        keys = leads.astype(np.int64) * _TIME + self._moments
        place = np.searchsorted(keys, leads[before.who].astype(np.int64) * _TIME + ready)
        place = np.maximum(place, before.who + 1)
        there = (place < len(leads)) & (leads[np.minimum(place, len(leads) - 1)] == leads[before.who])
        again, who = before.take(there), place[there]
        return replace(again, who=who, due=self._moments[who], answer=np.full(len(who), NEVER, np.int64))

    def _lead_through(self, batch: Batch, paths: _Paths) -> list[tuple[Array, Batch]]:
        """Take steps until the journey is over, or the period. Return for whom it is over, and since when."""
        here, ended = {0: [batch]}, []
        paths.tally.entered += len(batch)
        while here:
            place = min(here, key=self._rank.__getitem__)
            batch = Batch.joined(here.pop(place))
            moves = advance(self._plan, place, batch, self._world, self._until)
            paths.add(place, batch, moves)
            goes = (moves.status != WAITING).nonzero()[0] if (moves.status == WAITING).any() else None
            ways = moves.way if goes is None else moves.way[goes]
            for way in sorted({*self._plan.steps[place].ways, OVER}):
                mine = np.flatnonzero(ways == way)
                if not len(mine):
                    continue
                which = mine if goes is None else goes[mine]
                whole = len(which) == len(batch)
                due = moves.at if whole else moves.at[which]
                after = moves.batch if whole else moves.batch.take(which)
                if way != OVER:
                    here.setdefault(way, []).append(replace(after, due=due))
                elif self._again is not None:
                    ended.append((due, after))
        return ended

    def _run_together(self, who: Array, paths: _Paths) -> None:
        """Let leads who share a phone take their steps in the order of time."""
        recent: dict[int, tuple[Array, ...]] = {}
        ready: dict[int, int] = {}
        memory: dict[int, Batch] = {}
        queue = [(int(self._moments[each]), int(self._leads[each]), int(each), _ENTERS) for each in who]
        heapq.heapify(queue)
        waiting: dict[int, Batch] = {}
        while queue:
            at, lead, each, place = heapq.heappop(queue)
            person = int(self._world.people[each])
            if place == _ENTERS:
                if at < ready.get(lead, 0):
                    continue
                due = np.array([at], np.int64)
                batch = Batch.starting(self._plan, self._world, np.array([each]), due)
                if lead in memory:
                    old = memory[lead]
                    batch = replace(batch, contacted=old.contacted, answered=old.answered)
                ready[lead], place, waiting[lead] = NEVER, 0, batch
                paths.tally.entered += 1
            batch = replace(waiting[lead], recent=recent.get(person, waiting[lead].recent))
            moves = advance(self._plan, place, batch, self._world, at)
            look = int(moves.at[0])
            if moves.status[0] == WAITING and look <= self._until:
                heapq.heappush(queue, (look, lead, each, place))
                continue
            paths.add(place, batch, moves)
            if moves.status[0] == WAITING:
                continue
            recent[person] = moves.batch.recent
            waiting[lead] = replace(moves.batch, due=moves.at)
            if moves.way[0] != OVER:
                heapq.heappush(queue, (look, lead, each, int(moves.way[0])))
            elif self._again is not None:
                clock, entered = self._world.clock, self._moments[each]
                ready[lead] = max(int(clock.moments(clock.local(entered) + self._again * DAY)), look)
                memory[lead] = moves.batch


class _Paths:
    """What is counted and kept of the steps of a chunk."""

    def __init__(self, tally: Tally, keeps: bool) -> None:
        self.tally = tally
        self._parts: list[Rows] | None = [] if keeps else None

    def add(self, place: int, batch: Batch, moves: Moves) -> None:
        """Count a step of a batch, and keep its rows if they are wanted."""
        self.tally.add(place, moves)
        if self._parts is not None:
            places = np.full(len(batch), place, np.int16)
            self._parts.append(Rows(batch.who, places, batch.due, moves.status, moves.at, moves.why))

    def rows(self) -> Rows | None:
        """Return what was kept, in order."""
        if not self._parts:
            return None
        names = Rows.__dataclass_fields__
        return Rows(
            *(np.concatenate([getattr(each, name) for each in self._parts]) for name in names)
        ).in_order()
