"""The customers whose whole paths are kept of a simulation: a few of each end, and those asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from app.extensions import db
from app.journeys.draw import places, threshold
from app.journeys.report import Replay
from app.journeys.simulation import Rows, paths
from app.journeys.step import DONE, HELD, STATUSES, WAITING
from app.lib.lazy import lazy
from app.models import Lead

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: about how many enrolments are drawn, whose steps are in the file; the sample is of them
DRAWN = 20_000
#: enrolments of each kind of end in the sample, and altogether
OF_A_KIND, MOST = 6, 150
_KEY = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Path:
    """The steps of an enrolment as ``(step, due, at, status, why)``, moments in seconds.

    ``kind`` says how it ended: waiting, goal, left, held (ended after a contact was held), ended; ``why`` is
    the step that it waits at, or the reason.
    """

    lead_id: int
    kind: str
    why: str
    asked_for: bool
    steps: list[tuple[str, int, int | None, str, str]]


@dataclass(frozen=True)
class Drawn:
    """The rows of the enrolments that were drawn, ``of`` so many, and the paths of a few of them."""

    rows: Rows
    enrolments: int
    of: int
    paths: list[Path]


def drawn(replay: Replay, entered: int, lead_numbers: Collection[str] = ()) -> Drawn:
    """Draw enrolments by person, the same each time, and all of those with some lead numbers."""
    people = replay.world.people
    wanted = np.isin(replay.past.leads, replay.past.places_of(_ids(lead_numbers)))
    chosen = np.isin(people, people[wanted])
    if len(people) > DRAWN:
        share = threshold(100 * DRAWN / len(people))
        chosen |= places(people.astype(np.uint64), _KEY) < share
    else:
        chosen[:] = True
    rows = paths(replay.plan, replay.world, replay.candidates, replay.days, np.flatnonzero(chosen))
    found = _Ends(replay, rows)
    return Drawn(rows, len(found.first), entered, found.sample(wanted))


def _ids(lead_numbers: Collection[str]) -> list[int]:
    return list(db.session.scalars(select(Lead.id).where(Lead.lead_no.in_(list(lead_numbers)))))


class _Ends:
    """The enrolments in rows: where each begins, and how it ended."""

    def __init__(self, replay: Replay, rows: Rows) -> None:
        self._replay, self._rows = replay, rows
        self.first = np.flatnonzero(np.diff(rows.who, prepend=-1))
        self._last = np.append(self.first[1:], len(rows.who)) - 1

    def sample(self, wanted: Any) -> list[Path]:
        """Return the paths that are kept: by kind in turn, of each kind different ways first."""
        asked_for = [number for number, who in enumerate(self._rows.who[self.first]) if wanted[who]]
        kinds: dict[tuple[str, str], list[tuple[int, int]]] = {}
        ways: dict[Any, int] = {}
        for number in range(len(self.first)):
            kind = self._kind(number)
            way = (kind, self._steps(number).tobytes())
            ways[way] = ways.get(way, 0) + 1
            kinds.setdefault(kind, []).append((ways[way], number))
        queues = [[number for _n, number in sorted(each)[:OF_A_KIND]] for each in kinds.values()]
        turns = sorted((turn, number) for queue in queues for turn, number in enumerate(queue))
        chosen = list(dict.fromkeys([*asked_for, *(number for _turn, number in turns)]))[:MOST]
        return [self._path(number, number in set(asked_for)) for number in sorted(chosen)]

    def _steps(self, number: int) -> Any:
        return self._rows.place[self.first[number] : self._last[number] + 1]

    def _kind(self, number: int) -> tuple[str, str]:
        rows, words = self._rows, self._replay.plan.words
        start, end = self.first[number], self._last[number]
        status = rows.status[end]
        if status == WAITING:
            return "waiting", self._replay.plan.steps[rows.place[end]].id
        if status != DONE and status != HELD:
            word = words[rows.why[end]]
            return ("goal", "") if word == "goal" else ("left", word)
        held = np.flatnonzero(rows.status[start : end + 1] == HELD)
        return ("held", words[rows.why[start + held[0]]]) if len(held) else ("ended", "")

    def _path(self, number: int, asked_for: bool) -> Path:
        rows, plan = self._rows, self._replay.plan
        kind, why = self._kind(number)
        steps = []
        for at in range(self.first[number], self._last[number] + 1):
            status = int(rows.status[at])
            done = None if status == WAITING else int(rows.at[at])
            word = "" if done is None else plan.words[rows.why[at]]
            steps.append((plan.steps[rows.place[at]].id, int(rows.due[at]), done, STATUSES[status], word))
        lead = self._replay.past.lead_id(int(rows.who[self.first[number]]))
        return Path(lead, kind, why, asked_for, steps)
