"""What becomes of steps under way, stored for many at once. Moments are seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.journeys.step import STATUSES
from app.models import EnrolmentStatus


class Standing(NamedTuple):
    """A step of an enrolment that is due."""

    id: int
    enrolment_id: int
    number: int
    step: str
    outreach_id: int | None
    version_id: int
    lead_id: int
    hit_id: int | None
    due_at: int
    done_at: int | None
    entered_at: int
    not_before: int | None
    slot_at: int | None
    refused_at: int | None
    hold_until: int | None


#: statements, each with its parameters and their types
_LATER = (
    "UPDATE journey_step s SET next_at = to_timestamp(g.at) FROM {given} AS g (id, at) WHERE s.id = g.id",
    ("bigint", "bigint"),
)
_PACED = (
    "UPDATE journey_step s SET next_at = to_timestamp(g.at), slot_at = to_timestamp(nullif(g.slot, 0)), "
    "refused_at = to_timestamp(nullif(g.refused, 0)), hold_until = to_timestamp(nullif(g.hold, 0)) "
    "FROM {given} AS g (id, at, slot, refused, hold) WHERE s.id = g.id",
    ("bigint", "bigint", "bigint", "bigint", "bigint"),
)
_ASKED = (
    "UPDATE journey_step s SET done_at = to_timestamp(g.at), next_at = to_timestamp(g.look), "
    "outreach_id = g.contact FROM {given} AS g (id, at, look, contact) WHERE s.id = g.id",
    ("bigint", "bigint", "bigint", "bigint"),
)
_ENDED = (
    "UPDATE journey_step s SET status = g.status, done_at = to_timestamp(g.at), why = g.why, next_at = NULL "
    "FROM {given} AS g (id, status, at, why) WHERE s.id = g.id",
    ("bigint", "text", "bigint", "text"),
)
_NEXT = (
    "INSERT INTO journey_step (enrolment_id, journey_id, number, step, due_at, next_at) "
    "SELECT e.id, e.journey_id, g.number, g.step, to_timestamp(g.at), to_timestamp(g.at) "
    "FROM {given} AS g (enrolment, number, step, at) JOIN journey_enrolment e ON e.id = g.enrolment",
    ("bigint", "integer", "text", "bigint"),
)
_OVER = (
    "UPDATE journey_enrolment e SET status = g.status, why = g.why, ended_at = to_timestamp(g.at) "
    "FROM {given} AS g (id, status, why, at) WHERE e.id = g.id",
    ("bigint", "text", "text", "bigint"),
)


class Changes:
    """Collects what becomes of steps, and stores it."""

    def __init__(self) -> None:
        self._later: list[tuple[int, int]] = []
        self._paced: list[tuple[int, int, int, int, int]] = []
        self._asked: list[tuple[int, int, int, int]] = []
        self._ended: list[tuple[int, str, int, str]] = []
        self._next: list[tuple[int, int, str, int]] = []
        self._over: list[tuple[int, str, str, int]] = []

    def look_again(self, row: Standing, at: int) -> None:
        """Let a step wait until a moment."""
        self._later.append((row.id, at))

    def wait_for_slot(self, row: Standing, at: int, slot: int, refused: int, hold: int) -> None:
        """Let a contact of a paced journey wait until a moment, with its slot or without; 0 is none."""
        self._paced.append((row.id, at, slot, refused, hold))

    def ask(self, row: Standing, at: int, contact: int, look: int) -> None:
        """Let a step wait for its contact, which counts as made at a moment and is looked at later."""
        self._asked.append((row.id, at, look, contact))

    def end(self, row: Standing, status: int, at: int, why: str, then: str | None) -> None:
        """End a step, and begin the next one or end the journey."""
        outcome = STATUSES[status]
        self._ended.append((row.id, outcome, at, why))
        if then is not None:
            self._next.append((row.enrolment_id, row.number + 1, then, at))
            return
        left = outcome == "skipped"
        ended = EnrolmentStatus.GOAL if why == "goal" else EnrolmentStatus.LEFT
        over = ended if left else EnrolmentStatus.ENDED
        self._over.append((row.enrolment_id, over, why if left else "", at))

    def store(self, session: Session) -> None:
        """Write everything, and commit nothing."""
        every: tuple[tuple[Any, Sequence[Any]], ...] = (
            (_LATER, self._later),
            (_PACED, self._paced),
            (_ASKED, self._asked),
            (_ENDED, self._ended),
            (_NEXT, self._next),
            (_OVER, self._over),
        )
        for (statement, types), rows in every:
            if rows:
                arrays = [f"CAST(:p{place} AS {each}[])" for place, each in enumerate(types)]
                given = {f"p{place}": list(each) for place, each in enumerate(zip(*rows, strict=True))}
                session.execute(text(statement.format(given=f"unnest({', '.join(arrays)})")), given)
