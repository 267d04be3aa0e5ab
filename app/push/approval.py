"""A schedule version as something a second person decides about."""

from __future__ import annotations

from typing import Any

from app import approvals
from app.approvals import Change
from app.approvals.versions import VersionKind
from app.errors import N_
from app.models import Approval, ScheduleVersion, Staff, VersionStatus
from app.push import describe
from app.push.check import rule_names, typed_schedule
from app.rules import schedule_versions
from app.rules.definition import ScheduleDef, canonical
from app.rules.schedule_versions import version_def

KIND = "schedule_version"


def submit(version: ScheduleVersion, by: Staff, reason: str) -> Approval:
    """Ask for a second person to put a draft or a former version in force.

    A former version is copied: rolling back is asking for what it said, as a version of its own.
    Raises DomainError when it names rules that are gone, is in force, or already waits. Does not commit.
    """
    if version.status == VersionStatus.RETIRED:
        version = schedule_versions.add_version(version.schedule, version_def(version), by.username)
    typed_schedule(version.spec)
    return approvals.submit(KIND, version.id, by, reason)


def changes(version: ScheduleVersion) -> list[Change]:
    """What putting the version in force would change, in words."""
    before = version.schedule.active_version
    return compare(version_def(before) if before else None, version_def(version))


def compare(old: ScheduleDef | None, new: ScheduleDef) -> list[Change]:
    """The parts in which two schedules differ, in words; everything the new one says without an old."""
    names = rule_names([*(old.rules if old else ()), *new.rules])
    before = describe.parts(old, names) if old else []
    return [Change(*each) for each in describe.changes(before, describe.parts(new, names))]


class _ScheduleVersionKind(VersionKind[ScheduleVersion]):
    name = KIND
    permission = ("can_submit", "ScheduleVersionView")
    model = ScheduleVersion
    screen = "ScheduleVersionView"
    gone = N_("The schedule version does not exist any more.")

    def title(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version} {version.spec['name']}"

    def state(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version.schedule.active_version_id} {canonical(version_def(version))}"

    def makers(self, subject_id: int) -> set[str]:
        version = self.version(subject_id)
        return {version.created_by, *version.edited_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        return changes(self.version(subject_id))

    def apply(self, approval: Approval, who: str) -> None:
        version = self.version(approval.subject_id)
        typed_schedule(version.spec)
        schedule_versions.activate(version, who)


approvals.register(_ScheduleVersionKind())
