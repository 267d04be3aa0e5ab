"""Stored schedules: drafts, the version in force, pausing, retiring and deleting."""

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
    """The draft was saved by somebody else in the meantime; ``version`` is the stored one."""

    def __init__(self, version: ScheduleVersion) -> None:
        self.version = version
        super().__init__(
            "%(who)s has saved this schedule in the meantime. Look at what is stored now, and save again if "
            "yours should stand.",
            who=[version.created_by, *version.edited_by][-1],
        )


def schedule_def(code: str) -> ScheduleDef:
    """Return the definition in force of a schedule. Raises DomainError when there is none."""
    row = db.session.scalar(select(Schedule).where(Schedule.code == code))
    if row is None:
        raise DomainError("There is no schedule with the code %(code)s.", code=code)
    return version_def(_in_force(row))


def newest(schedule: Schedule) -> ScheduleVersion:
    """Return the newest version, whatever its status."""
    return schedule.versions[-1]


def mark(version: ScheduleVersion) -> str:
    """Return a digest of a version and its content, by which a change in the meantime is noticed."""
    spec = json.dumps(version.spec, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{version.id} {version.status} {spec}".encode()).hexdigest()[:16]


def create(definition: ScheduleDef, username: str) -> ScheduleVersion:
    """Create a schedule with a first draft. Flushes. Raises FieldError when the code is taken."""
    if db.session.scalar(select(Schedule.id).where(Schedule.code == definition.code)):
        raise FieldError("code", "There is already a schedule with the code %(code)s.", code=definition.code)
    schedule = Schedule(code=definition.code, name=definition.name)
    db.session.add(schedule)
    db.session.flush()
    return add_version(schedule, definition, username)


def save_draft(schedule: Schedule, definition: ScheduleDef, seen: str, username: str) -> ScheduleVersion:
    """Save the schedule's draft, creating one if the newest version is not a draft. Flushes.

    ``seen`` is the ``mark`` of the version that the user edited. Raises ScheduleChanged when another one is
    stored now, DomainError while a version is waiting for approval.
    """
    db.session.execute(select(Schedule.id).where(Schedule.id == schedule.id).with_for_update(key_share=True))
    db.session.refresh(schedule)
    stored = newest(schedule)
    check_editable(schedule)
    if mark(stored) != seen:
        raise ScheduleChanged(stored)
    definition = definition.model_copy(update={"code": schedule.code})
    if stored.status != VersionStatus.DRAFT:
        return add_version(schedule, definition, username)
    stored.spec = schedule_spec(definition)
    stored.edited_by = [*(name for name in stored.edited_by if name != username), username]
    if schedule.active_version is None:
        schedule.name = definition.name
    db.session.flush()
    return stored


def check_editable(schedule: Schedule) -> None:
    """Raise DomainError while the newest version is waiting for approval."""
    version = newest(schedule)
    if version.status == VersionStatus.SUBMITTED:
        raise DomainError(
            "%(version)s is waiting for approval; withdraw the request to change it.", version=str(version)
        )


def set_paused(schedule: Schedule, paused: bool) -> None:
    """Pause or resume pushing. Raises DomainError for a schedule without a version in force."""
    _in_force(schedule)
    schedule.status = RuleStatus.PAUSED if paused else RuleStatus.ACTIVE


def retire(schedule: Schedule) -> None:
    """Retire a schedule and its version in force. Raises DomainError when it has none."""
    _in_force(schedule).status = VersionStatus.RETIRED
    schedule.active_version = None
    schedule.status = RuleStatus.RETIRED


def _in_force(schedule: Schedule) -> ScheduleVersion:
    if schedule.active_version is None:
        raise DomainError("%(schedule)s has no version in force yet.", schedule=str(schedule))
    return schedule.active_version


def deletable(schedule: Schedule) -> bool:
    """Whether the schedule was never in force and is not waiting for approval."""
    return all(version.status == VersionStatus.DRAFT for version in schedule.versions)


def delete(schedule: Schedule) -> None:
    """Delete a schedule. Raises DomainError when it was ever in force or is waiting for approval."""
    check_editable(schedule)
    if not deletable(schedule):
        raise DomainError(
            "%(schedule)s was in force and must be kept on record; retire it instead.", schedule=str(schedule)
        )
    db.session.delete(schedule)
