"""Approval of versions of journeys by a second person."""

from __future__ import annotations

from typing import Any

from app import approvals
from app.approvals import Change
from app.approvals.versions import VersionKind
from app.errors import N_
from app.journeys import check, differences, versions
from app.models import Approval, JourneyVersion, Staff, VersionStatus
from app.rules.definition import canonical

KIND = "journey_version"


def submit(version: JourneyVersion, user: Staff, reason: str) -> Approval:
    """Submit a draft or a former version for approval. Does not commit.

    A former version is copied, so that a roll-back is a version of its own. Raises DomainError when the
    version equals the one in force, can't run, or is already submitted.
    """
    if version.status == VersionStatus.RETIRED:
        version = versions.add_version(version.journey, versions.journey_def(version), user.username)
    return approvals.submit(KIND, version.id, user, reason)


def changes(version: JourneyVersion) -> list[Change]:
    """Return the differences between a version and the one in force."""
    before = version.journey.active_version
    old = versions.journey_def(before) if before else None
    return differences.changes(old, versions.journey_def(version))


def require_sound(version: JourneyVersion) -> None:
    """Raise DomainError for a version that can't run."""
    for each in check.problems(versions.journey_def(version), check.read_known()):
        raise each.error


class _JourneyVersionKind(VersionKind[JourneyVersion]):
    name = KIND
    permission = ("can_submit", "JourneyVersionView")
    model = JourneyVersion
    gone = N_("The version of the journey no longer exists.")

    def title(self, subject_id: int) -> str:
        return str(self.version(subject_id))

    def state(self, subject_id: int) -> str:
        version = self.version(subject_id)
        return f"{version.journey.active_version_id} {canonical(versions.journey_def(version))}"

    def makers(self, subject_id: int) -> set[str]:
        version = self.version(subject_id)
        return {version.created_by, *version.edited_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        return changes(self.version(subject_id))

    def check(self, version: JourneyVersion) -> None:
        super().check(version)
        require_sound(version)

    def apply(self, approval: Approval, user: str) -> None:
        version = self.version(approval.subject_id)
        require_sound(version)
        versions.activate(version, user)


approvals.register(_JourneyVersionKind())
