"""Stored schedules: what is in force, drafts, pausing and retiring."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import RuleStatus, Schedule, ScheduleVersion, VersionStatus
from app.schedules.definition import ScheduleDef
from app.schedules.versions import add_version, schedule_spec, version_def


class ScheduleChanged(DomainError):
    """Somebody else saved the draft in between; ``version`` is what is stored now."""

    def __init__(self, version: ScheduleVersion) -> None:
        self.version = version
        super().__init__(
            "%(who)s has saved this schedule in the meantime. Look at what is stored now, and save again if "
            "yours should stand.",
            who=[version.created_by, *version.edited_by][-1],
        )


def schedule_def(code: str) -> ScheduleDef:
    """What the version in force of a schedule says. Raises DomainError when there is none."""
    row = db.session.scalar(select(Schedule).where(Schedule.code == code))
    if row is None:
        raise DomainError("There is no schedule with the code %(code)s.", code=code)
    return version_def(_in_force(row))


def newest(schedule: Schedule) -> ScheduleVersion:
    """The newest version, whatever its status."""
    return schedule.versions[-1]


def mark(version: ScheduleVersion) -> str:
    """A digest of a version and what it says: it differs when somebody saved in between."""
    said = json.dumps(version.spec, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{version.id} {version.status} {said}".encode()).hexdigest()[:16]


def create(definition: ScheduleDef, who: str) -> ScheduleVersion:
    """A new schedule with a first draft. Flushes. Raises FieldError when the code is taken."""
    if db.session.scalar(select(Schedule.id).where(Schedule.code == definition.code)):
        raise FieldError("code", "There is a schedule with the code %(code)s already.", code=definition.code)
    schedule = Schedule(code=definition.code, name=definition.name)
    db.session.add(schedule)
    db.session.flush()
    return add_version(schedule, definition, who)


def save_draft(schedule: Schedule, definition: ScheduleDef, seen: str, who: str) -> ScheduleVersion:
    """Write the schedule's draft, making one when the newest version is none. Flushes.

    ``seen`` is the ``mark`` of the version the person started from. Raises ScheduleChanged when that is not
    what is stored, DomainError while a version waits for approval.
    """
    db.session.execute(select(Schedule.id).where(Schedule.id == schedule.id).with_for_update(key_share=True))
    db.session.refresh(schedule)
    present = newest(schedule)
    check_editable(schedule)
    if mark(present) != seen:
        raise ScheduleChanged(present)
    definition = definition.model_copy(update={"code": schedule.code})
    if present.status != VersionStatus.DRAFT:
        return add_version(schedule, definition, who)
    present.spec = schedule_spec(definition)
    present.edited_by = [*(name for name in present.edited_by if name != who), who]
    if schedule.active_version is None:
        schedule.name = definition.name
    db.session.flush()
    return present


def check_editable(schedule: Schedule) -> None:
    """Raise DomainError while the newest version waits for a decision."""
    present = newest(schedule)
    if present.status == VersionStatus.SUBMITTED:
        raise DomainError(
            "%(version)s waits for approval; withdraw that request to change it.", version=str(present)
        )


def set_paused(schedule: Schedule, paused: bool) -> None:
    """Stop or go on pushing. Raises DomainError for a schedule without a version in force."""
    _in_force(schedule)
    schedule.status = RuleStatus.PAUSED if paused else RuleStatus.ACTIVE


def retire(schedule: Schedule) -> None:
    """Take a schedule out of use; its version in force retires. Raises DomainError when it has none."""
    _in_force(schedule).status = VersionStatus.RETIRED
    schedule.active_version = None
    schedule.status = RuleStatus.RETIRED


def _in_force(schedule: Schedule) -> ScheduleVersion:
    if schedule.active_version is None:
        raise DomainError("%(schedule)s has no version in force yet.", schedule=str(schedule))
    return schedule.active_version


def deletable(schedule: Schedule) -> bool:
    """Whether the schedule never was in force and waits for nobody."""
    return all(version.status == VersionStatus.DRAFT for version in schedule.versions)


def delete(schedule: Schedule) -> None:
    """Delete a schedule that never pushed. Raises DomainError when it was in force or waits for approval."""
    check_editable(schedule)
    if not deletable(schedule):
        raise DomainError(
            "%(schedule)s was in force and stays on record; retire it instead.", schedule=str(schedule)
        )
    db.session.delete(schedule)
