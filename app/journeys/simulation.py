"""Enrolments led through a whole journey, from who could enter to what is counted of each step.

People are independent of each other, so that many take a step at once, in any order, and are counted chunk
by chunk. Leads that share a phone are one person to the caps: they take their steps one by one, in time. In
a paced journey everybody waits for everybody else's contacts: slots are given minute by minute.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from app.journeys.definition import Contact, Reentry
from app.journeys.pacing import Asked, Slots, asked, with_slot
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
    day and channel, ``calls`` those by caller and local day, ``later`` those by channel that pacing moved to
    a later day.
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
        self.later = np.zeros(len(CHANNELS), np.int64)

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
        for name in ("entered", "outside", "whys", "contacts", "calls", "later"):
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
    if plan.paced:
        paced = _Paced(plan, world, candidates, days, sink is not None, callers).everybody(report=report)
        if sink is not None and (found := paced.rows()) is not None:
            sink(found)
        return paced.tally
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
    if plan.paced:
        return _kept(_Paced(plan, world, candidates, days, True, None).everybody(only=which))
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
        self.plan, self.world, self._days, self._keeps = plan, world, days, keeps
        self._callers = callers
        self.leads, self.moments = candidates.leads, candidates.moments
        self.until = int(world.clock.midnights(np.int64(days[1] + 1))) - 1
        self._rank = plan.order()
        reentry = plan.journey.reentry
        self.again = reentry.after_days if isinstance(reentry, Reentry) else None
        self._together = self._sharing()

    def _sharing(self) -> Array | None:
        """Return which candidates share their caps with another lead, None when nobody does."""
        if not self.world.caps:
            return None
        first = np.flatnonzero(np.diff(self.leads, prepend=-1))
        people = self.world.people[first]
        _each, index, number = np.unique(people, return_inverse=True, return_counts=True)
        shares = number[index] > 1
        return np.repeat(shares, np.diff(np.append(first, len(self.leads)))) if shares.any() else None

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
        return _kept(paths)

    def _paths(self) -> _Paths:
        return _Paths(Tally(self.plan, self.world, *self._days, self._callers), self._keeps)

    def _run_alone(self, who: Array, paths: _Paths) -> None:
        """Let leads enter, each as often as it may, and lead them through."""
        entering = who[np.flatnonzero(np.diff(self.leads[who], prepend=-1))]
        batch = Batch.starting(self.plan, self.world, entering, self.moments[entering])
        while len(batch):
            paths.tally.entered += len(batch)
            ended = self._lead_through({0: [batch]}, paths)
            batch = self._entering_again(ended)

    def _entering_again(self, ended: list[tuple[Array, Batch]]) -> Batch:
        """Return those who enter once more, given batches that the journey is over for, and since when."""
        none = np.zeros(0, np.int64)
        if self.again is None or not ended:
            return Batch.starting(self.plan, self.world, none, none)
        before, over = (
            Batch.joined([each for _at, each in ended]),
            np.concatenate([at for at, _each in ended]),
        )
        clock, leads = self.world.clock, self.leads
        entered = self.moments[before.who]
        ready = np.maximum(clock.moments(clock.local(entered) + self.again * DAY), over)
        keys = leads.astype(np.int64) * _TIME + self.moments
        place = np.searchsorted(keys, leads[before.who].astype(np.int64) * _TIME + ready)
        place = np.maximum(place, before.who + 1)
        there = (place < len(leads)) & (leads[np.minimum(place, len(leads) - 1)] == leads[before.who])
        again, who = before.take(there), place[there]
        return replace(again, who=who, due=self.moments[who], answer=np.full(len(who), NEVER, np.int64))

    def _lead_through(self, here: dict[int, list[Batch]], paths: _Paths) -> list[tuple[Array, Batch]]:
        """Take steps until the journey is over, or the period. Return for whom it is over, and since when.

        Given are those who come to steps, by the places of these.
        """
        ended = []
        while here:
            place = min(here, key=self._rank.__getitem__)
            batch = Batch.joined(here.pop(place))
            moves = self._take(place, batch)
            batch = batch if len(moves.at) == len(batch) else moves.batch
            paths.add(place, batch, moves)
            goes = (moves.status != WAITING).nonzero()[0] if (moves.status == WAITING).any() else None
            ways = moves.way if goes is None else moves.way[goes]
            for way in sorted({*self.plan.steps[place].ways, OVER}):
                mine = np.flatnonzero(ways == way)
                if not len(mine):
                    continue
                which = mine if goes is None else goes[mine]
                whole = len(which) == len(batch)
                due = moves.at if whole else moves.at[which]
                after = moves.batch if whole else moves.batch.take(which)
                if way != OVER:
                    here.setdefault(way, []).append(replace(after, due=due))
                elif self.again is not None:
                    ended.append((due, after))
        return ended

    def _take(self, place: int, batch: Batch) -> Moves:
        """Return what becomes of those who come to a step."""
        return advance(self.plan, place, batch, self.world, self.until)

    def _run_together(self, who: Array, paths: _Paths) -> None:
        """Let leads who share a phone take their steps in the order of time."""
        together = _Together(self, who, paths)
        while together.queue:
            together.step()


class _Together:
    """Leads who share a phone, who take their steps in the order of time, and at a moment lead by lead."""

    def __init__(self, run: _Run, who: Array, paths: _Paths) -> None:
        self._run, self._paths = run, paths
        self.queue = [(int(run.moments[each]), int(run.leads[each]), int(each), _ENTERS) for each in who]
        heapq.heapify(self.queue)
        self.waiting: dict[int, Batch] = {}
        self._recent: dict[int, tuple[Array, ...]] = {}
        self._ready: dict[int, int] = {}
        self._memory: dict[int, Batch] = {}

    def step(self) -> tuple[int, int, int, Moves] | None:
        """Take the next step. Return its place, lead, element and moves when it asks for a slot."""
        run, world = self._run, self._run.world
        at, lead, each, place = heapq.heappop(self.queue)
        person = int(world.people[each])
        if place == _ENTERS:
            if at < self._ready.get(lead, 0):
                return None
            due = np.array([at], np.int64)
            batch = Batch.starting(run.plan, world, np.array([each]), due)
            if lead in self._memory:
                old = self._memory[lead]
                batch = replace(batch, contacted=old.contacted, answered=old.answered)
            self._ready[lead], place, self.waiting[lead] = NEVER, 0, batch
            self._paths.tally.entered += 1
        waiting = self.waiting[lead]
        batch = replace(waiting, recent=self._recent.get(person, waiting.recent))
        moves = advance(run.plan, place, batch, world, at)
        look = int(moves.at[0])
        if moves.status[0] == WAITING and look <= run.until:
            self.waiting[lead] = moves.batch
            if moves.asks is not None and moves.asks.wanted[0]:
                return place, lead, each, moves
            heapq.heappush(self.queue, (look, lead, each, place))
            return None
        self._paths.add(place, batch, moves)
        if moves.status[0] == WAITING:
            return None
        self._recent[person] = moves.batch.recent
        self.waiting[lead] = replace(moves.batch, due=moves.at)
        if moves.way[0] != OVER:
            heapq.heappush(self.queue, (look, lead, each, int(moves.way[0])))
        elif run.again is not None:
            clock, entered = world.clock, run.moments[each]
            self._ready[lead] = max(int(clock.moments(clock.local(entered) + run.again * DAY)), look)
            self._memory[lead] = moves.batch
        return None

    def go_on(self, at: int, lead: int, each: int, place: int, batch: Batch) -> None:
        """Let a lead who asked for a slot take its step again at a moment."""
        self.waiting[lead] = batch
        if at <= self._run.until:
            heapq.heappush(self.queue, (at, lead, each, place))
        else:
            moves = advance(self._run.plan, place, batch, self._run.world, self._run.until)
            self._paths.add(place, batch, moves)


class _Paced(_Run):
    """A simulation whose contacts need slots, which are given to everybody minute by minute."""

    def everybody(
        self, only: Array | None = None, report: Callable[[int, int], None] | None = None
    ) -> _Paths:
        """Run all candidates. Return what is counted of them, and the steps of some, by default of all."""
        paths, self._slots = self._paths(), Slots(self.world, until=self.until)
        paths.keep_only(only, len(self.leads))
        self._asking: dict[int, list[tuple[int, Batch, Asked]]] = {}
        self._minutes: list[int] = []
        everybody, shared = np.arange(len(self.leads)), self._together
        alone = everybody if shared is None else everybody[~shared]
        self._run_alone(alone, paths)
        together = _Together(self, everybody[:0] if shared is None else everybody[shared], paths)
        singles: dict[int, list[tuple[int, int, int, Batch, Asked]]] = {}
        while together.queue or self._minutes:
            minute = self._minutes[0] if self._minutes else NEVER
            if together.queue and together.queue[0][0] < minute:
                if (asking := together.step()) is not None:
                    place, lead, each, moves = asking
                    one = asked(self.plan, place, moves, self.world, np.zeros(1, np.int64))
                    self._at(at := int(one.minute[0]))
                    singles.setdefault(at, []).append((place, lead, each, moves.batch, one))
                continue
            self._give(heapq.heappop(self._minutes), together, singles, paths)
            if report is not None:
                done = int(self.world.clock.days(np.int64(minute))) - self._days[0] + 1
                report(max(1, done), max(done, self._days[1] - self._days[0] + 1))
        paths.tally.later += self._slots.later
        return paths

    def _at(self, minute: int) -> None:
        if minute not in self._asking:
            self._asking[minute] = []
            heapq.heappush(self._minutes, minute)

    def _take(self, place: int, batch: Batch) -> Moves:
        """Return what becomes of those who come to a step, apart from those who ask for a slot first."""
        moves = super()._take(place, batch)
        if moves.asks is None:
            return moves
        asking = moves.asks.wanted & (moves.at <= self.until)
        order = np.flatnonzero(asking)[np.argsort(moves.at[asking], kind="stable")]
        found, batch = asked(self.plan, place, moves, self.world, order), moves.batch.take(order)
        minutes, starts = np.unique(found.minute, return_index=True)
        for minute, part in zip(minutes.tolist(), pairwise([*starts, len(order)]), strict=True):
            self._at(minute)
            some = slice(*part)
            self._asking[minute].append((place, batch.take(some), found.take(some)))
        return moves.take(~asking)

    def _give(
        self,
        minute: int,
        together: _Together,
        singles: dict[int, list[tuple[int, int, int, Batch, Asked]]],
        paths: _Paths,
    ) -> None:
        """Give the slots that were asked for in a minute, lead by lead, and lead those on who have one."""
        groups, single = self._asking.pop(minute), singles.pop(minute, [])
        every = [some for _place, _batch, some in groups] + [one[4] for one in single]
        slots = self._slots.give(Asked.joined(every))
        here: dict[int, list[Batch]] = {}
        at = 0
        for place, batch, _some in groups:
            here.setdefault(place, []).append(with_slot(batch, slots[at : at + len(batch)]))
            at += len(batch)
        batch = self._entering_again(self._lead_through(here, paths))
        while len(batch):
            paths.tally.entered += len(batch)
            batch = self._entering_again(self._lead_through({0: [batch]}, paths))
        for number, (place, lead, each, one, _asked) in enumerate(single, at):
            given = with_slot(one, slots[number : number + 1])
            together.go_on(int(given.slot[0]), lead, each, place, given)


class _Paths:
    """What is counted and kept of the steps of a chunk."""

    def __init__(self, tally: Tally, keeps: bool) -> None:
        self.tally = tally
        self._parts: list[Rows] | None = [] if keeps else None
        self._only: Array | None = None

    def keep_only(self, which: Array | None, of: int) -> None:
        """Keep the rows of some candidates only, of so many."""
        if which is not None:
            self._only = np.zeros(of, bool)
            self._only[which] = True

    def add(self, place: int, batch: Batch, moves: Moves) -> None:
        """Count a step of a batch, and keep its rows if they are wanted."""
        self.tally.add(place, moves)
        if self._parts is not None:
            places = np.full(len(batch), place, np.int16)
            columns = (batch.who, places, batch.due, moves.status, moves.at, moves.why)
            if self._only is not None:
                kept = self._only[batch.who]
                columns = tuple(each[kept] for each in columns)  # type: ignore[assignment]
            self._parts.append(Rows(*columns))

    def rows(self) -> Rows | None:
        """Return what was kept, in order."""
        if not self._parts:
            return None
        names = Rows.__dataclass_fields__
        return Rows(
            *(np.concatenate([getattr(each, name) for each in self._parts]) for name in names)
        ).in_order()


def _kept(paths: _Paths) -> Rows:
    found = paths.rows()
    if found is None:
        none = np.zeros(0, np.int64)
        return Rows(none, none, none, none, none, none)
    return found
