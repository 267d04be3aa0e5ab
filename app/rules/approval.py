"""Approval of rule versions by a second person."""

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
#: days of coverage shown to the approver
SHOWN_DAYS = 7


def submit(version: RuleVersion, user: Staff, reason: str) -> Approval:
    """Submit a draft or a former version for approval. Does not commit.

    A former version is copied, so that a roll-back is a version of its own. Raises DomainError when the
    version has no conditions, is in force, or is already submitted.
    """
    if version.status == VersionStatus.RETIRED:
        version = versions.copy_as_draft(version, user.username)
    return approvals.submit(KIND, version.id, user, reason)


def changes(version: RuleVersion) -> list[Change]:
    """Return what activating the version would change. Raises DomainError when it has no conditions yet."""
    versions.check_conditions(version)
    before = version.rule.active_version
    return rule_changes(versions.rule_def(before) if before else None, versions.rule_def(version))


def turnover(version_id: int, last: dt.date) -> Turnover | None:
    """Compare a version with the one in force or before it on the last days with data; None without data.

    Raises DomainError when the version, or something that its filter names, no longer exists.
    """
    version = _KIND.version(version_id)
    settings = current_app.config["SETTINGS"]
    days = coverage.days_with_data(settings, SHOWN_DAYS, last)
    if not days:
        return None
    before = compared_with(version)
    old = versions.rule_def(before) if before else None
    return coverage.turnover(settings, old, versions.rule_def(version), days)


def version_of(version_id: int) -> RuleVersion:
    """Return a version. Raises DomainError when it no longer exists."""
    return _KIND.version(version_id)


def compared_with(version: RuleVersion) -> RuleVersion | None:
    """Return the version in force, of one in force itself the version before it; None without one."""
    active = version.rule.active_version
    if version is not active:
        return active
    former = [each for each in version.rule.versions if each.activated_at and each.number < version.number]
    return max(former, key=lambda each: each.number, default=None)


class _RuleVersionKind(VersionKind[RuleVersion]):
    name = KIND
    permission = ("can_submit", "RuleVersionView")
    model = RuleVersion
    gone = N_("The rule version no longer exists.")

    def title(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version.name} v{version.number}"

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

    def apply(self, approval: Approval, user: str) -> None:
        versions.activate(self.version(approval.subject_id), user)


_KIND = _RuleVersionKind()
approvals.register(_KIND)
