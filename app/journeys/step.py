"""The step function of journeys: what becomes of a batch of enrolments at one step.

It is pure: it reads the plan, the batch and the world, has no clock and no database, and changes none of its
arguments. Simulation asks with all of the future known, execution with the present: ``until`` is up to when
things are known, ``since`` when the contact hours began that are to be used. Whoever is not decided by then
waits, and is asked about again at the moment that the answer says; the same question answered later has the
same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.journeys import conditions
from app.journeys.draw import places
from app.journeys.plan import CHANNELS, LEAVING, OVER, Plan, PlannedStep
from app.journeys.world import World
from app.lib.lazy import lazy
from app.lib.wall_clock import DAY
from app.outreach.openings import NEVER

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

Array = Any
WAITING, DONE, HELD, SKIPPED = range(4)
STATUSES = ("waiting", "done", "held", "skipped")
MINUTE = 60
#: a day on which nobody was contacted
NO_DAY = -(1 << 30)


@dataclass(frozen=True)
class Batch:
    """Enrolments at one step: their places in the world, and what the steps before left.

    ``due`` is the moment of the step, ``answer`` that of the answer to their last contact. ``recent`` has for
    each cap the days of the last contacts of the journey that count against it, the newest first;
    ``contacted`` and ``answered`` the last days by channel, where conditions ask for them.

    Where the journey is paced, ``slot`` is the moment that a contact was given, 0 while it has none. One that
    was held by a cap at the moment ``refused`` asks for a later slot, up to the moment ``hold``; the slot at
    that moment itself means that there is none. Both are 0 before.
    """

    who: Array
    due: Array
    answer: Array
    recent: tuple[Array, ...] = ()
    contacted: Array | None = None
    answered: Array | None = None
    slot: Array = None
    refused: Array = None
    hold: Array = None

    @classmethod
    def starting(cls, plan: Plan, world: World, who: Array, due: Array) -> Batch:
        """Return enrolments that are about to begin."""
        n = len(who)

        def empty(rows: int) -> Array:
            return np.full((rows, n), NO_DAY, np.int32)

        remembered = (empty(2), empty(2)) if plan.remembers else (None, None)
        recent = tuple(empty(cap.most) for cap in world.caps)
        slots = tuple(np.zeros(n, np.int64) if plan.paced else None for _each in range(3))
        return cls(who, due, np.full(n, NEVER, np.int64), recent, *remembered, *slots)

    def __len__(self) -> int:
        return len(self.who)

    def take(self, which: Array) -> Batch:
        """Return some of them, by place or by truth."""
        return Batch(
            self.who[which],
            self.due[which],
            self.answer[which],
            tuple(each[:, which] for each in self.recent),
            None if self.contacted is None else self.contacted[:, which],
            None if self.answered is None else self.answered[:, which],
            None if self.slot is None else self.slot[which],
            None if self.refused is None else self.refused[which],
            None if self.hold is None else self.hold[which],
        )

    @staticmethod
    def joined(batches: Sequence[Batch]) -> Batch:
        """Return several batches as one."""
        if len(batches) == 1:
            return batches[0]
        first = batches[0]

        def both(arrays: Sequence[Any]) -> Any:
            return None if arrays[0] is None else np.concatenate(arrays, axis=-1)

        return Batch(
            both([each.who for each in batches]),
            both([each.due for each in batches]),
            both([each.answer for each in batches]),
            tuple(both([each.recent[cap] for each in batches]) for cap in range(len(first.recent))),
            both([each.contacted for each in batches]),
            both([each.answered for each in batches]),
            both([each.slot for each in batches]),
            both([each.refused for each in batches]),
            both([each.hold for each in batches]),
        )


@dataclass(frozen=True)
class Asks:
    """Slots that are asked for: since when, from when on, and up to when. ``since`` is NEVER for none.

    A slot is given when the minute is over in which it was asked for.
    """

    since: Array
    first: Array
    last: Array

    @property
    def wanted(self) -> Array:
        """Whether somebody asks for a slot."""
        return self.since < NEVER


@dataclass(frozen=True)
class Moves:
    """What became of a batch: ``at`` is when a step was done, or when to ask again about one that waits.

    ``way`` is the place of the next step, OVER when there is none, and ``why`` the number of a word of the
    plan. ``batch`` is the batch as the step left it, with the ``due`` it came with. Of those who wait some
    may ask for a slot (``app.journeys.pacing``).
    """

    status: Array
    at: Array
    way: Array
    why: Array
    batch: Batch
    asks: Asks | None = None

    def take(self, which: Array) -> Moves:
        """Return those of some of the batch, by truth; nobody asks for a slot among them."""
        return Moves(
            *(self.status[which], self.at[which], self.way[which], self.why[which]), self.batch.take(which)
        )


def advance(plan: Plan, place: int, batch: Batch, world: World, until: int, since: int = 0) -> Moves:
    """Return what becomes of enrolments at the step with a place, all of whom are due by ``until``."""
    step = plan.steps[place]
    left = leaving(batch, world, batch.due)
    if left is None:
        return _STEPS[step.do](plan, place, batch, world, until, since)
    gone, stays = left > 0, left == 0
    done = _STEPS[step.do](plan, place, batch.take(stays), world, until, since)
    return _put_together(batch, [(gone, _left(batch.take(gone), left[gone])), (stays, done)])


def leaving(batch: Batch, world: World, at: Array) -> Array | None:
    """Return for which of the reasons LEAVING people leave at moments, None when nobody does."""
    found = None
    for reason in reversed(LEAVING):
        if reason in world.leaving:
            since, before = world.leaving[reason]
            goes = since[batch.who] <= at
            if before is not None:
                goes &= at < before[batch.who]
            if goes.any():
                found = np.where(goes, LEAVING.index(reason), 0 if found is None else found)
    return found


def _left(batch: Batch, why: Array) -> Moves:
    return _moves(batch, SKIPPED, batch.due, OVER, why)


def _moves(batch: Batch, status: Any, at: Any, way: Any, why: Any) -> Moves:
    n = len(batch)
    return Moves(
        np.broadcast_to(np.asarray(status, np.int8), n),
        np.broadcast_to(np.asarray(at, np.int64), n),
        np.broadcast_to(np.asarray(way, np.int16), n),
        np.broadcast_to(np.asarray(why, np.int16), n),
        batch,
    )


def _put_together(batch: Batch, parts: Sequence[tuple[Array, Moves]]) -> Moves:
    """Return the moves of parts of a batch as those of the batch, in its order."""
    order = np.concatenate([np.flatnonzero(which) for which, _moves_ in parts])
    back = np.empty(len(batch), np.int64)
    back[order] = np.arange(len(batch))

    def all_of(name: str) -> Array:
        return np.concatenate([getattr(moves, name) for _which, moves in parts])[back]

    after = Batch.joined([moves.batch for _which, moves in parts]).take(back)
    asks = None
    if any(moves.asks is not None for _which, moves in parts):
        every = [moves.asks or _no_asks(len(moves.at)) for _which, moves in parts]
        names = ("since", "first", "last")
        asks = Asks(*(np.concatenate([getattr(each, name) for each in every])[back] for name in names))
    return Moves(all_of("status"), all_of("at"), all_of("way"), all_of("why"), after, asks)


def _no_asks(n: int) -> Asks:
    return Asks(*(np.full(n, NEVER, np.int64) for _each in range(3)))


def _wait(plan: Plan, place: int, batch: Batch, world: World, until: int, _since: int) -> Moves:
    step = plan.steps[place]
    end = wait_end(step, world, batch.due)
    then, timeout = step.ways
    if step.definition.until is None:
        return _moves(batch, np.where(end <= until, DONE, WAITING), end, then, 0)
    if step.definition.until == "answered":
        event = batch.answer
    elif world.outcomes is None:
        event = np.full(len(batch), NEVER, np.int64)
    else:
        event = world.outcomes.next(world.leads[batch.who], _midnight(world, batch.due))
    event = np.maximum(event, batch.due)
    happened = event <= end
    at: Array = np.where(happened, event, end)
    word = np.where(happened, plan.words.index(step.definition.until), plan.words.index("timeout"))
    return _moves(batch, np.where(at <= until, DONE, WAITING), at, np.where(happened, then, timeout), word)


def wait_end(step: PlannedStep, world: World, due: Array) -> Array:
    """Return when waits end: hours are real ones, days keep the wall clock, a time of day is the next one."""
    wait, clock = step.definition, world.clock
    if wait.hours is not None:
        return due + step.seconds
    local = clock.local(due)
    if wait.days is not None:
        return clock.moments(local + step.seconds)
    today = local - local % DAY + step.seconds
    return clock.moments(np.where(today > local, today, today + DAY))


def _midnight(world: World, moments: Array) -> Array:
    return world.clock.midnights(world.clock.days(moments))


def _contact(plan: Plan, place: int, batch: Batch, world: World, until: int, since: int) -> Moves:
    """Judge contacts at the first allowed moment, and held by a cap at the beginning of each later day.

    A contact that could have been made in contact hours that are over is judged again in those of now, one
    that could have been made while the journey stood still when its customer goes on.
    """
    if plan.paces(place):
        return _paced(plan, place, batch, world, until, since)
    step, n = plan.steps[place], len(batch)
    begins = _begins(batch, world, since)
    moment = world.openings.first(batch.due)
    deadline = moment + step.seconds
    status, at = np.full(n, WAITING, np.int8), moment.copy()
    why, open_ = np.zeros(n, np.int16), np.arange(n)
    while len(open_):
        known = moment[open_] <= until
        at[open_[~known]] = moment[open_[~known]]
        open_ = open_[known]
        now = moment[open_]
        verdict = judged(plan, step, batch if len(open_) == n else batch.take(open_), world, now)
        missed = (verdict == 0) & (now < begins[open_])
        capped = verdict >= plan.words.index("cap_channel")
        over = ~missed & ~capped
        decided = open_[over]
        status[decided], at[decided], why[decided] = _decided(verdict[over]), now[over], verdict[over]
        again = open_[missed]
        moment[again], deadline[again] = begins[again], begins[again] + step.seconds
        held = open_[capped]
        later = world.openings.first(world.clock.midnights(world.clock.days(now[capped]) + 1))
        ends = later > deadline[held]
        gone = held[ends]
        at[gone], why[gone] = deadline[gone], verdict[capped][ends]
        status[gone] = np.where(deadline[gone] <= until, HELD, WAITING)
        moment[held[~ends]] = later[~ends]
        open_ = np.concatenate([open_[missed], held[~ends]])
    why[status == WAITING] = 0
    return _contacted(plan, place, batch, world, Moves(status, at, np.zeros(n, np.int16), why, batch))


def _begins(batch: Batch, world: World, since: int) -> Array:
    """Return from when on contacts go that could have been made before."""
    begins = np.full(len(batch), since, np.int64)
    if world.not_before is None:
        return begins
    return np.maximum(begins, world.openings.first(world.not_before[batch.who]))


def _paced(plan: Plan, place: int, batch: Batch, world: World, until: int, since: int) -> Moves:
    """Judge contacts at the moments of their slots; who has none asks for one, as does whoever missed it.

    Held by a cap, a contact asks for a slot on a later day. When there is none in the time that it may wait,
    it is held at the end of that.
    """
    step, n, days, first = plan.steps[place], len(batch), world.clock.days, world.openings.first
    begins = _begins(batch, world, since)
    slot, refused, hold = batch.slot.copy(), batch.refused.copy(), batch.hold.copy()
    status, at, why = np.full(n, WAITING, np.int8), slot.copy(), np.zeros(n, np.int16)
    # On the day of the slot it holds for what is made up later, too.
    now = np.where(days(slot) == days(begins), np.maximum(slot, begins), slot)
    gone = np.flatnonzero((slot > 0) & (refused > 0) & (slot <= until))
    status[gone] = HELD
    why[gone] = judged(plan, step, batch.take(gone), world, refused[gone])
    open_ = np.flatnonzero((slot > 0) & (refused == 0) & (now <= until))
    at[open_] = now[open_]
    verdict = judged(plan, step, batch.take(open_), world, now[open_])
    missed = (verdict == 0) & (now[open_] < begins[open_])
    capped = verdict >= plan.words.index("cap_channel")
    over = ~missed & ~capped
    again, held = open_[missed], open_[capped]
    status[open_[over]] = _decided(verdict[over])
    slot[again] = hold[again] = 0
    refused[held], slot[held] = now[held], 0
    hold[held] = np.where(hold[held] > 0, hold[held], now[held] + step.seconds)
    given_up = held[first(world.clock.midnights(days(now[held]) + 1)) > hold[held]]
    slot[given_up] = at[given_up] = hold[given_up]
    status[given_up] = np.where(hold[given_up] <= until, HELD, WAITING)
    why[open_] = np.where(status[open_] == WAITING, 0, verdict)
    asks = _no_asks(n)
    new = np.flatnonzero(slot == 0)
    later = refused[new] > 0
    asked = np.where(later, refused[new], batch.due[new])
    earliest = np.where(later, world.clock.midnights(days(refused[new]) + 1), batch.due[new])
    earliest = first(np.maximum(earliest, after_minute(asked)))
    is_late = earliest < begins[new]
    asks.since[new], asks.first[new] = (
        np.where(is_late, begins[new], asked),
        np.maximum(earliest, begins[new] * is_late),
    )
    asks.last[new] = np.where(later, hold[new], NEVER)
    at[new] = after_minute(asks.since[new])
    waiting = status == WAITING
    left = replace(
        batch,
        slot=np.where(waiting, slot, 0),
        refused=np.where(waiting, refused, 0),
        hold=np.where(waiting, hold, 0),
    )
    moves = Moves(status, at, np.zeros(n, np.int16), why, left)
    return replace(_contacted(plan, place, left, world, moves), asks=asks)


def after_minute(moments: Array) -> Array:
    """Return when the slots are given that were asked for at moments: at the end of the minute."""
    return (moments // MINUTE + 1) * MINUTE


def _decided(verdict: Array) -> Array:
    left = (verdict > 0) & (verdict < len(LEAVING))
    return np.where(left, SKIPPED, np.where(verdict > 0, HELD, DONE))


def judged(plan: Plan, step: PlannedStep, batch: Batch, world: World, at: Array) -> Array:
    """Return the number of the word for why contacts may not be made at moments, 0 where they may."""
    found = np.zeros(len(batch), np.int16)
    for channel, cap, recent in _caps(world, step, batch):
        day = world.clock.days(at)
        since = cap.first_day(day)
        if cap.channel in world.counted:
            upto = at if world.present is None else np.maximum(at, world.present)
            before = world.counted[channel].count(world.people[batch.who], world.clock.midnights(since), upto)
            full = before + (recent >= since).sum(axis=0) >= cap.most
        else:
            full = recent[-1] >= since
        found = np.where(full & (found == 0), plan.words.index(cap.reason), found)
    if world.converted_at is not None:
        found = np.where(world.converted_at[batch.who] <= at, plan.words.index("converted"), found)
    if (known := world.barred.get(CHANNELS[step.channel])) is not None:
        barred = known[batch.who]
        found = np.where(barred > 0, barred, found)
    left = leaving(batch, world, at)
    return found if left is None else np.where(left > 0, left, found)


def _caps(world: World, step: PlannedStep, batch: Batch) -> Any:
    for cap, recent in zip(world.caps, batch.recent, strict=True):
        if cap.counts(CHANNELS[step.channel]):
            yield cap.channel, cap, recent


def _contacted(plan: Plan, place: int, batch: Batch, world: World, moves: Moves) -> Moves:
    """Return the moves of a contact with its ways, and what it leaves behind."""
    step = plan.steps[place]
    then, held = step.ways
    made = moves.status == DONE
    way = np.where(made, then, np.where(moves.status == SKIPPED, OVER, held)).astype(np.int16)
    answer = np.where(made, world.answers(batch.who, place, moves.at), NEVER)
    day = world.clock.days(moves.at).astype(np.int32)
    recent = tuple(
        _pushed(days, day, made) if cap.counts(CHANNELS[step.channel]) else days
        for cap, days in zip(world.caps, batch.recent, strict=True)
    )
    after = replace(batch, answer=answer, recent=recent)
    if batch.contacted is not None and batch.answered is not None:
        contacted, answered = batch.contacted.copy(), batch.answered.copy()
        contacted[step.channel] = np.where(made, day, contacted[step.channel])
        told = made & (answer < NEVER)
        answered[step.channel] = np.where(told, day, answered[step.channel])
        after = replace(after, contacted=contacted, answered=answered)
    return replace(moves, way=way, batch=after)


def _pushed(days: Array, day: Array, made: Array) -> Array:
    """Return the days of the last contacts with a newest one where one was made."""
    if len(days) == 1:
        return np.where(made, day, days[0])[None]
    return np.where(made, np.concatenate([day[None], days[:-1]]), days)


def _branch(plan: Plan, place: int, batch: Batch, world: World, _until: int, _since: int) -> Moves:
    step = plan.steps[place]
    case = np.full(len(batch), len(step.ways) - 1)
    open_ = np.ones(len(batch), bool)
    for number, each in enumerate(step.definition.cases):
        holds = conditions.holds(each.when, batch, world)
        case[open_ & holds] = number
        open_ &= ~holds
    return _moves(batch, DONE, batch.due, np.array(step.ways)[case], np.array(step.whys)[case])


def _split(plan: Plan, place: int, batch: Batch, world: World, _until: int, _since: int) -> Moves:
    step = plan.steps[place]
    drawn = places(world.bits[batch.who], step.key)
    part = np.searchsorted(np.array(step.thresholds, np.int64), drawn, side="right")
    return _moves(batch, DONE, batch.due, np.array(step.ways)[part], np.array(step.whys)[part])


def _at_once(plan: Plan, place: int, batch: Batch, _world: World, _until: int, _since: int) -> Moves:
    return _moves(batch, DONE, batch.due, plan.steps[place].ways[0], 0)


_STEPS = {
    "contact": _contact,
    "wait": _wait,
    "branch": _branch,
    "split": _split,
    "task": _at_once,
    "tag": _at_once,
    "hand": _at_once,
    "webhook": _at_once,
    "end": _at_once,
}
