"""Moves of customers under way from a version of a journey to another one, by a map of steps.

A move is a row, so that it takes no time to decide on, however many are under way. From then on nobody on the
old version is moved otherwise; a worker carries it out, chunk by chunk. Whoever has a contact on its way is
moved after it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, insert, select, update

from app import approvals
from app.approvals import Change
from app.errors import N_, DomainError
from app.extensions import db
from app.journeys.sentence import doing, read_names
from app.journeys.stops import HOURS, MAX_HOURS, paced, set_moments
from app.journeys.versions import journey_def
from app.lib.pointers import to_row
from app.models import (
    Approval,
    EnrolmentStatus,
    JourneyEnrolment,
    JourneyMove,
    JourneyStep,
    JourneyStepStatus,
    JourneyVersion,
    Staff,
    VersionStatus,
)

KIND = "journey_move"
GONE = N_("The version of the journey no longer exists.")
CHUNK = 10_000
#: why somebody left, or left a step, whom a map sent elsewhere
WHY = "moved"
StepMap = Mapping[str, str | None]


@dataclass(frozen=True)
class Move:
    """Where those on a version go: the step of the new one for each of the old, None for out."""

    source_id: int
    map: StepMap
    hours: int = HOURS

    def as_json(self) -> dict[str, Any]:
        """Return it as a request keeps it."""
        return {"from": self.source_id, "map": dict(self.map), "hours": self.hours}


def of_json(stored: Sequence[Mapping[str, Any]]) -> list[Move]:
    """Read what a request keeps."""
    return [Move(each["from"], each["map"], each["hours"]) for each in stored]


def same_steps(source: JourneyVersion, target: JourneyVersion) -> dict[str, str | None]:
    """Return the map by which everybody keeps their step; those whose step is gone leave the journey."""
    there = {step.id for step in journey_def(target).steps}
    return {step.id: step.id if step.id in there else None for step in journey_def(source).steps}


def standing(version: JourneyVersion) -> dict[str, int]:
    """Return how many customers are under way at each step of a version, in the order of its steps."""
    query = (
        select(JourneyStep.step, func.count())
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .where(
            *(JourneyEnrolment.version_id == version.id, JourneyStep.status == JourneyStepStatus.WAITING),
            JourneyStep.journey_id == version.journey_id,
            JourneyEnrolment.status == EnrolmentStatus.UNDER_WAY,
        )
        .group_by(JourneyStep.step)
    )
    found = dict(db.session.execute(query).tuples().all())
    return {step.id: found[step.id] for step in journey_def(version).steps if step.id in found}


def sources(target: JourneyVersion) -> list[JourneyVersion]:
    """Return the versions with customers under way who could be moved to another one."""
    others = [each.id for each in target.journey.versions if each is not target]
    under_way = (
        select(JourneyEnrolment.id)
        .where(
            JourneyEnrolment.version_id == JourneyVersion.id,
            JourneyEnrolment.status == EnrolmentStatus.UNDER_WAY,
        )
        .exists()
    )
    query = select(JourneyVersion).where(JourneyVersion.id.in_(others), under_way)
    return list(db.session.scalars(query.order_by(JourneyVersion.number)))


def check(target: JourneyVersion, moves: Sequence[Move]) -> None:
    """Raise DomainError for moves that can't be carried out once the target is in force."""
    there = {step.id for step in journey_def(target).steps}
    for move in moves:
        source = _version(move.source_id)
        if source.journey_id != target.journey_id or source.id == target.id:
            raise DomainError("Customers are moved between versions of one journey.")
        if source.status == VersionStatus.CANARY:
            raise DomainError("%(version)s is being tried out; withdraw it first.", version=str(source))
        if _pending(source.id) is not None:
            raise DomainError("The customers of %(version)s are being moved already.", version=str(source))
        if not 1 <= move.hours <= MAX_HOURS:
            raise DomainError("Choose 1 to %(most)s hours.", most=MAX_HOURS)
        for step in journey_def(source).steps:
            if step.id not in move.map:
                raise DomainError("Say where those at the step %(step)s go.", step=step.id)
        for to in move.map.values():
            if to is not None and to not in there:
                raise DomainError("%(version)s has no step %(step)s.", version=str(target), step=to)


def in_words(target: JourneyVersion, moves: Sequence[Move]) -> list[Change]:
    """Return who goes where, and how many stand there now."""
    changes = []
    for move in moves:
        source = _version(move.source_id)
        before, after = step_words(source), step_words(target)
        for step, count in standing(source).items():
            to = move.map.get(step)
            many = ngettext("%(num)s customer", "%(num)s customers", count)
            gone = _("out of the journey")
            changes.append(
                Change(
                    _("Move from v%(old)s to v%(new)s", old=source.number, new=target.number),
                    _("%(step)s: %(many)s", step=before[step], many=many),
                    after.get(to, to) if to is not None else gone,
                )
            )
    return changes


def step_words(version: JourneyVersion) -> dict[str, str]:
    """Return the number of each step of a version and what it does."""
    names = read_names()
    steps = journey_def(version).steps
    return {step.id: f"{number} · {doing(step, names)}" for number, step in enumerate(steps, 1)}


def begin(target: JourneyVersion, moves: Sequence[Move], user: str) -> None:
    """Store moves, which workers carry out from then on. Flushes. Raises DomainError as ``check`` does."""
    check(target, moves)
    for move in moves:
        about = {"journey_id": target.journey_id, "from_id": move.source_id, "to_id": target.id}
        db.session.add(JourneyMove(**about, map=dict(move.map), hours=move.hours, created_by=user))
    db.session.flush()


def _version(version_id: int) -> JourneyVersion:
    return approvals.subject_row(
        JourneyVersion, version_id, N_("The version of the journey no longer exists.")
    )


def _pending(version_id: int) -> JourneyMove | None:
    return db.session.scalar(
        select(JourneyMove).where(JourneyMove.from_id == version_id, JourneyMove.finished_at.is_(None))
    )


# -- carried out by a worker --------------------------------------------------------------------------


def being_left() -> Any:
    """Return the query of the versions whose customers are being moved."""
    return select(JourneyMove.from_id).where(JourneyMove.finished_at.is_(None))


def carry_out(now: dt.datetime) -> None:
    """Carry out what there is to move. Commits chunk by chunk."""
    query = select(JourneyMove).where(JourneyMove.finished_at.is_(None)).order_by(JourneyMove.id)
    for move in db.session.scalars(query).all():
        if move.rows_total is None:
            move.rows_total = sum(standing(move.source).values())
        while _chunk(move, now):
            db.session.commit()
        left = select(JourneyEnrolment.id).where(
            JourneyEnrolment.version_id == move.from_id, JourneyEnrolment.status == EnrolmentStatus.UNDER_WAY
        )
        if db.session.scalar(left.limit(1)) is None:
            move.finished_at = now
        db.session.commit()


def _chunk(move: JourneyMove, now: dt.datetime) -> int:
    """Move some customers of whom no contact is on its way. Return their number."""
    query = (
        select(JourneyStep.id, JourneyStep.enrolment_id, JourneyStep.step, JourneyStep.number)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .where(
            *(JourneyEnrolment.version_id == move.from_id, JourneyStep.outreach_id.is_(None)),
            JourneyStep.journey_id == move.journey_id,
            JourneyEnrolment.status == EnrolmentStatus.UNDER_WAY,
            JourneyStep.status == JourneyStepStatus.WAITING,
        )
        .limit(CHUNK)
        .with_for_update()
    )
    rows = db.session.execute(query).tuples().all()
    done, total = move.rows_done, max(move.rows_total or 0, move.rows_done + len(rows))
    moments = paced(move.created_at, move.hours, done, done + len(rows), total)
    groups: dict[str, list[tuple[int, int, int, dt.datetime]]] = defaultdict(list)
    for (step_id, enrolment_id, step, number), at in zip(rows, moments, strict=True):
        groups[step].append((step_id, enrolment_id, number, at))
    for step, some in groups.items():
        _go(move, step, some, now)
    move.rows_done += len(rows)
    return len(rows)


def _go(
    move: JourneyMove, step: str, rows: Sequence[tuple[int, int, int, dt.datetime]], now: dt.datetime
) -> None:
    """Move customers who stand at a step."""
    to = move.map.get(step)
    steps, people, numbers, moments = (list(each) for each in zip(*rows, strict=True))
    if to is None:
        _update(JourneyStep, steps, _left_behind(now))
        left = {"status": EnrolmentStatus.LEFT, "why": WHY, "ended_at": now}
        _update(JourneyEnrolment, people, left)
        return
    _update(JourneyEnrolment, people, {"version_id": move.to_id})
    if to == step and _same(move, step):
        return
    set_moments(JourneyEnrolment.not_before, people, moments)
    if to == step:
        set_moments(JourneyStep.next_at, steps, moments)
        _update(JourneyStep, steps, {"slot_at": None, "refused_at": None, "hold_until": None})
        return
    _update(JourneyStep, steps, _left_behind(now))
    come = [
        {"enrolment_id": who, "number": number + 1, "due_at": at, "next_at": at}
        for who, number, at in zip(people, numbers, moments, strict=True)
    ]
    db.session.execute(insert(JourneyStep).values(journey_id=move.journey_id, step=to), come)


def _left_behind(now: dt.datetime) -> dict[str, Any]:
    return {"status": JourneyStepStatus.SKIPPED, "why": WHY, "done_at": now, "next_at": None}


def _update(model: type[Any], ids: Sequence[int], values: Mapping[str, Any]) -> None:
    db.session.execute(
        update(model).where(model.id == func.any(list(ids))).values(**values),
        execution_options={"synchronize_session": False},
    )


def _same(move: JourneyMove, step: str) -> bool:
    """Whether a step is the same in both versions, but for where it leads to."""
    kept = ("channel", "template", "hold_hours", "hours", "days", "at", "until", "do")
    old, new = (
        next(each.model_dump(include=set(kept)) for each in journey_def(version).steps if each.id == step)
        for version in (move.source, move.target)
    )
    return bool(old == new)


# -- approval -----------------------------------------------------------------------------------------


def ask(target: JourneyVersion, moves: Sequence[Move], user: Staff, reason: str) -> Approval:
    """Request a move to the version in force. Does not commit. Raises DomainError as ``check`` does."""
    return approvals.submit(KIND, target.id, user, reason, {"moves": [each.as_json() for each in moves]})


class _MoveKind:
    """Requests about the version that customers are moved to."""

    name = KIND
    permission = ("can_submit", "JourneyVersionView")

    def title(self, subject_id: int) -> str:
        return str(_version(subject_id))

    def state(self, subject_id: int) -> str:
        version = _version(subject_id)
        return f"{version.journey.active_version_id} {version.id}"

    def makers(self, subject_id: int) -> set[str]:
        return set()

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        return in_words(_version(subject_id), of_json(payload["moves"]))

    def submitted(self, approval: Approval) -> None:
        self._check(approval)

    def apply(self, approval: Approval, user: str) -> None:
        self._check(approval)
        begin(_version(approval.subject_id), of_json(approval.payload["moves"]), user)

    def returned(self, approval: Approval) -> None:
        """Do nothing: nobody was moved."""

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("journey_version", subject_id)

    def _check(self, approval: Approval) -> None:
        version = _version(approval.subject_id)
        if version.journey.active_version_id != version.id:
            raise DomainError("%(version)s is not in force.", version=str(version))
        moves = of_json(approval.payload["moves"])
        if not moves:
            raise DomainError("Nobody is to be moved.")
        check(version, moves)


approvals.register(_MoveKind())
