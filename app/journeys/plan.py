"""A journey as numbers: steps and ways by their places, for ``app.journeys.step``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from app.journeys.definition import Branch, Contact, JourneyDef, Split, Strategy, Wait
from app.journeys.draw import Draw, threshold
from app.segments.filter import AnsweredTest, ContactedTest, InteractionsTest, tests_of

CHANNELS = ("sms", "call")
#: the way of those for whom the journey is over
OVER = -1
#: reasons for which somebody leaves, in order of precedence when several apply; 0 is none
LEAVING = ("", "deleted", "opted_out", "holdout", "goal")
#: reasons that hold a contact, after those
HOLDING = ("phone", "lead_status", "grade", "hit_status", "converted", "cap_channel", "cap_total")
EVENTS = ("answered", "outcome", "timeout")


@dataclass(frozen=True)
class PlannedStep:
    """A step: what it does, and the places of the steps that its ways lead to.

    ``whys`` are the numbers of the words for the ways of a branch or a split. ``seconds`` is the time of a
    wait or a hold, ``key`` that of its draw.
    """

    id: str
    do: str
    definition: Any
    ways: tuple[int, ...]
    whys: tuple[int, ...] = ()
    channel: int = 0
    seconds: int = 0
    key: int = 0
    thresholds: tuple[int, ...] = ()


class Plan:
    """A journey whose steps are known by their places, and every word of its results by a number."""

    def __init__(self, journey: JourneyDef, draw: Draw) -> None:
        self.journey = journey
        self.words = [*LEAVING, *HOLDING, *EVENTS]
        self._places = {step.id: place for place, step in enumerate(journey.steps)}
        self.steps = tuple(self._planned(step, draw) for step in journey.steps)
        tests = [test for _step, each in journey.filters() for test in tests_of(each)]
        asks = ContactedTest | AnsweredTest | InteractionsTest
        pacing = journey.pacing
        #: the channels whose contacts need a slot of their day, and how many slots there are
        self.paced = pacing.channels if pacing else set[str]()
        self.most = {"sms": pacing.sms, "call": pacing.call} if pacing else {}
        self.calls_per_marketer = pacing.calls_per_marketer if pacing else None
        #: whether branches ask for the contacts of the journey itself
        self.remembers = any(isinstance(test, asks) for test in tests)

    def order(self) -> list[int]:
        """Return the rank of each step: after all steps that lead to it, as far as there are no cycles."""
        seen, done = set[int](), list[int]()
        stack: list[tuple[int, bool]] = [(0, False)]
        while stack:
            place, left = stack.pop()
            if left:
                done.append(place)
            elif place not in seen and place != OVER:
                seen.add(place)
                stack += [(place, True), *((to, False) for to in self.steps[place].ways)]
        rank = {place: number for number, place in enumerate(reversed(done))}
        return [rank.get(place, len(self.steps)) for place in range(len(self.steps))]

    def paces(self, place: int) -> bool:
        """Return whether a step is a contact that needs a slot."""
        step = self.steps[place]
        return step.do == "contact" and CHANNELS[step.channel] in self.paced

    def word(self, text: str) -> int:
        """Return the number of a word, a new one if need be."""
        if text not in self.words:
            self.words.append(text)
        return self.words.index(text)

    def _planned(self, step: Any, draw: Draw) -> PlannedStep:
        place = self._places
        match step:
            case Contact():
                return PlannedStep(
                    *(step.id, step.do, step),
                    ways=(place[step.then], place[step.held or step.then]),
                    channel=CHANNELS.index(step.channel),
                    seconds=round(step.hold_hours * 3600),
                    key=draw.key(step.id, "answer"),
                )
            case Wait():
                ways = (place[step.then], place[step.timeout or step.then])
                return PlannedStep(step.id, step.do, step, ways, seconds=_seconds(step))
            case Branch(cases=cases):
                words = (*(f"case {number}" for number in range(1, len(cases) + 1)), "else")
                return PlannedStep(
                    *(step.id, step.do, step),
                    ways=(*(place[case.then] for case in cases), place[step.else_]),
                    whys=tuple(map(self.word, words)),
                )
            case Split(parts=parts):
                edges = tuple(map(threshold, accumulate(parts.values())))
                return PlannedStep(
                    *(step.id, step.do, step),
                    ways=tuple(place[to] for to in parts),
                    whys=tuple(self.word(to) for to in parts),
                    key=draw.key(step.id, "split"),
                    thresholds=edges[:-1],
                )
            case Strategy():
                raise ValueError("a strategy table is planned by the steps that it means")
        then = getattr(step, "then", None)
        return PlannedStep(step.id, step.do, step, (OVER if then is None else place[then],))


def _seconds(step: Wait) -> int:
    """Return the real seconds of a wait of hours, the seconds of the wall clock of another."""
    if step.hours is not None:
        return round(step.hours * 3600)
    if step.days is not None:
        return step.days * 86_400
    hours, minutes = str(step.at).split(":")
    return int(hours) * 3600 + int(minutes) * 60
