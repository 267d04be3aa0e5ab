"""A schedule version as something a second person decides about."""

from __future__ import annotations

from typing import Any

from app import approvals
from app.approvals import Change
from app.approvals.versions import VersionKind
from app.channels import targets
from app.errors import N_
from app.models import Approval, ScheduleVersion, Staff, VersionStatus
from app.rules.definition import canonical
from app.schedules import describe, versions
from app.schedules.check import rule_names, typed_schedule
from app.schedules.definition import ScheduleDef
from app.schedules.versions import version_def

KIND = "schedule_version"


def submit(version: ScheduleVersion, by: Staff, reason: str) -> Approval:
    """Ask for a second person to put a draft or a former version in force.

    A former version is copied: rolling back is asking for what it said, as a version of its own.
    Raises DomainError when it says what is in force, names rules that are gone, or already waits. Does not
    commit.
    """
    if version.status == VersionStatus.RETIRED:
        version = versions.add_version(version.schedule, version_def(version), by.username)
    return approvals.submit(KIND, version.id, by, reason)


def changes(version: ScheduleVersion) -> list[Change]:
    """What putting the version in force would change, in words."""
    before = version.schedule.active_version
    return compare(version_def(before) if before else None, version_def(version))


def compare(old: ScheduleDef | None, new: ScheduleDef) -> list[Change]:
    """The parts in which two schedules differ, in words; everything the new one says without an old."""
    each = [schedule for schedule in (old, new) if schedule]
    names = describe.Names(
        rules=rule_names({code for schedule in each for code in schedule.rules}),
        targets=targets.names({channel.target for schedule in each for channel in schedule.channels}),
    )
    return [Change(*change) for change in describe.changes(old, new, names)]


class _ScheduleVersionKind(VersionKind[ScheduleVersion]):
    name = KIND
    permission = ("can_submit", "ScheduleVersionView")
    model = ScheduleVersion
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

    def check(self, version: ScheduleVersion) -> None:
        super().check(version)
        typed_schedule(version.spec)

    def apply(self, approval: Approval, who: str) -> None:
        version = self.version(approval.subject_id)
        typed_schedule(version.spec)
        versions.activate(version, who)


approvals.register(_ScheduleVersionKind())
