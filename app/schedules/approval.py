"""Approval of schedule versions by a second person."""

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


def submit(version: ScheduleVersion, user: Staff, reason: str) -> Approval:
    """Submit a draft or a former version for approval. Does not commit.

    A former version is copied, so that a roll-back is a version of its own. Raises DomainError when the
    version equals the one in force, names rules that no longer exist, or is already submitted.
    """
    if version.status == VersionStatus.RETIRED:
        version = versions.add_version(version.schedule, version_def(version), user.username)
    return approvals.submit(KIND, version.id, user, reason)


def changes(version: ScheduleVersion) -> list[Change]:
    """Return what activating the version would change, in words."""
    before = version.schedule.active_version
    return compare(version_def(before) if before else None, version_def(version))


def compare(old: ScheduleDef | None, new: ScheduleDef) -> list[Change]:
    """Return the parts in which two schedules differ, in words, or all parts when there is no old one."""
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
    gone = N_("The schedule version no longer exists.")

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

    def apply(self, approval: Approval, user: str) -> None:
        version = self.version(approval.subject_id)
        typed_schedule(version.spec)
        versions.activate(version, user)


approvals.register(_ScheduleVersionKind())
