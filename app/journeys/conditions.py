"""Conditions of branches, of many enrolments at once.

Facts, activity, hits and outcomes are taken as of the day before, the last that is complete: a value that
could be known after a day is known on the next. Contacts and answers count up to the moment, those that the
journey made among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.lib.lazy import lazy
from app.segments.filter import AllOf, AnsweredTest, AnyOf, ContactedTest, InteractionsTest, NotOf, tests_of

if TYPE_CHECKING:
    import numpy as np

    from app.journeys.step import Batch
    from app.journeys.world import World
else:
    np = lazy("numpy")

_CHANNELS = {"sms": (0,), "call": (1,), "any": (0, 1)}
_OWN = (ContactedTest, AnsweredTest, InteractionsTest)


def holds(part: Any, batch: Batch, world: World) -> Any:
    """Return whether a filter admits the people of a batch at its moments."""
    if not any(isinstance(test, _OWN) for test in tests_of(part)):
        if world.truth is None:
            raise ValueError("this world knows no facts")
        return world.truth(part, batch.who, world.clock.days(batch.due) - 1)
    match part:
        case AllOf(all=parts):
            return np.logical_and.reduce([holds(each, batch, world) for each in parts])
        case AnyOf(any=parts):
            return np.logical_or.reduce([holds(each, batch, world) for each in parts])
        case NotOf(not_=inner):
            return ~holds(inner, batch, world)
        case ContactedTest(contacted=channel, days=days):
            return _within(batch.contacted, world.contacted, channel, days, batch, world)
        case AnsweredTest(answered=channel, days=days):
            return _within(batch.answered, world.answered, channel, days, batch, world)
    return _within(batch.answered, world.answered, "any", part.days, batch, world)


def _within(own: Any, told: Any, channel: str, days: int, batch: Batch, world: World) -> Any:
    """Return whether there was one in the last days, today included."""
    first = world.clock.days(batch.due) - days + 1
    found = (own[list(_CHANNELS[channel])] >= first).any(axis=0)
    known = told.get(None if channel == "any" else channel)
    if known is not None:
        found |= known.count(world.leads[batch.who], world.clock.midnights(first), batch.due) > 0
    return found
