"""Slots of the contacts of paced journeys under way: asked for by many at once, and stored by day."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.journeys.changes import Changes, Standing
from app.journeys.pacing import Asked, Key, Slots, asked, with_slot
from app.journeys.plan import Plan
from app.journeys.step import WAITING, Batch, Moves
from app.journeys.world import World
from app.lib.lazy import lazy
from app.lib.wall_clock import DAY, date_of, number_of
from app.models import JourneySlots, JourneyVersion
from app.outreach.openings import NEVER

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")


class _Group(NamedTuple):
    """Contacts of one step whose slots are to be given now."""

    rows: list[Standing]
    batch: Batch
    asked: Asked


class Asking:
    """Collects the contacts of a chunk that ask for slots, and gives them in the order of a simulation."""

    def __init__(self, changes: Changes, now: int) -> None:
        self._changes, self._now = changes, now
        self._groups: dict[int, list[_Group]] = defaultdict(list)
        self._worlds: dict[int, World] = {}

    def add(
        self,
        version: JourneyVersion,
        plan: Plan,
        place: int,
        rows: Sequence[Standing],
        moves: Moves,
        world: World,
    ) -> None:
        """Note those at a step who wait: for their slot, the end of the minute, or to be given one now."""
        asks = moves.asks
        waiting = moves.status == WAITING
        gives = waiting & (moves.at <= self._now)
        gives &= False if asks is None else asks.wanted
        self._wait(rows, moves.batch, moves.at, np.flatnonzero(waiting & ~gives))
        which = np.flatnonzero(gives)
        if len(which):
            self._worlds[version.journey_id] = world
            found = asked(plan, place, moves, world, which)
            group = _Group([rows[each] for each in which.tolist()], moves.batch.take(which), found)
            self._groups[version.journey_id].append(group)

    def give(self) -> None:
        """Give the slots. Other chunks wait for those of the same journeys."""
        for journey_id in sorted(self._groups):
            wait_for_lock(db.session(), Lock.JOURNEY_SLOTS, journey_id)
            self._give(journey_id, self._groups[journey_id])

    def _give(self, journey_id: int, groups: Sequence[_Group]) -> None:
        every, world = Asked.joined([group.asked for group in groups]), self._worlds[journey_id]
        before = _stored(journey_id, int(world.clock.days(every.first.min())))
        slots = Slots(world, before)
        found = slots.give(every)
        _store(journey_id, before, slots.given)
        start = 0
        for group in groups:
            end = start + len(group.rows)
            batch = with_slot(group.batch, found[start:end])
            start = end
            self._wait(group.rows, batch, batch.slot, np.arange(len(group.rows)))

    def _wait(self, rows: Sequence[Standing], batch: Batch, at: Any, which: Any) -> None:
        columns = (at, batch.slot, batch.refused, batch.hold)
        told = zip(which.tolist(), *(each[which].tolist() for each in columns), strict=True)
        for place, when, slot, refused, hold in told:
            if when >= NEVER:
                # There are no contact hours as far as the calendar is known: it asks again on the next day.
                self._changes.wait_for_slot(rows[place], self._now + DAY, 0, refused, hold)
            else:
                self._changes.wait_for_slot(rows[place], when, slot, refused, hold)


def _stored(journey_id: int, first: int) -> dict[tuple[Key, int], int]:
    """Return how many slots are given from a day on."""
    query = select(JourneySlots).where(
        JourneySlots.journey_id == journey_id, JourneySlots.day >= date_of(min(first, number_of(dt.date.max)))
    )
    rows = db.session.scalars(query.execution_options(populate_existing=True))
    return {(Key(row.channel, row.user_id), number_of(row.day)): row.given for row in rows}


def _store(journey_id: int, before: dict[tuple[Key, int], int], given: dict[tuple[Key, int], int]) -> None:
    changed = [(*key, date_of(day), n) for (key, day), n in given.items() if before.get((key, day)) != n]
    if changed:
        names = ("channel", "user_id", "day", "given")
        rows = [{"journey_id": journey_id, **dict(zip(names, each, strict=True))} for each in changed]
        made = insert(JourneySlots)
        again = made.on_conflict_do_update(
            index_elements=["journey_id", "channel", "user_id", "day"], set_={"given": made.excluded.given}
        )
        db.session.execute(again, rows)
