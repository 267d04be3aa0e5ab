"""A rule version as something a second person decides about."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app

from app import approvals
from app.approvals import Change
from app.approvals.versions import VersionKind
from app.errors import N_
from app.models import Approval, RuleVersion, Staff, VersionStatus
from app.rules import check, coverage, versions
from app.rules.coverage import Turnover
from app.rules.definition import canonical
from app.rules.differences import rule_changes

KIND = "rule_version"
#: days of coverage that the person who decides sees
SHOWN_DAYS = 7


def submit(version: RuleVersion, by: Staff, reason: str) -> Approval:
    """Ask for a second person to put a draft or a former version in force.

    A former version is copied: rolling back is asking for what it said, as a version of its own.
    Raises DomainError when the version says nothing, is in force, or already waits. Does not commit.
    """
    if version.status == VersionStatus.RETIRED:
        version = versions.copy_as_draft(version, by.username)
    return approvals.submit(KIND, version.id, by, reason)


def changes(version: RuleVersion) -> list[Change]:
    """What putting the version in force would change. Raises DomainError when it says nothing yet."""
    versions.check_conditions(version)
    before = version.rule.active_version
    return rule_changes(versions.rule_def(before) if before else None, versions.rule_def(version))


def turnover(version_id: int, last: dt.date) -> Turnover | None:
    """What a version catches against the one in force on the last days with data; None without data.

    Raises DomainError when the version or what its filter names is gone.
    """
    version = _KIND.version(version_id)
    settings = current_app.config["SETTINGS"]
    days = coverage.days_with_data(settings, SHOWN_DAYS, last)
    if not days:
        return None
    before = version.rule.active_version
    old = versions.rule_def(before) if before else None
    return coverage.turnover(settings, old, versions.rule_def(version), days)


class _RuleVersionKind(VersionKind[RuleVersion]):
    name = KIND
    permission = ("can_submit", "RuleVersionView")
    model = RuleVersion
    gone = N_("The rule version does not exist any more.")

    def title(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version} {version.name}"

    def state(self, subject_id: int) -> str:
        version = self.version(subject_id)
        in_force = version.rule.active_version_id
        return f"{in_force} {canonical(versions.rule_def(version))}"

    def makers(self, subject_id: int) -> set[str]:
        version = self.version(subject_id)
        return {version.created_by, *version.editors}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        return changes(self.version(subject_id))

    def check(self, version: RuleVersion) -> None:
        super().check(version)
        check.require_sound(versions.rule_def(version))

    def apply(self, approval: Approval, who: str) -> None:
        versions.activate(self.version(approval.subject_id), who)


_KIND = _RuleVersionKind()
approvals.register(_KIND)
