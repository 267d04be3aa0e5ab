"""Versions of rules and schedules as something a second person decides about: what both have in common."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from app.approvals.kinds import Change, subject_row
from app.errors import DomainError
from app.lib.pointers import to_row
from app.models import Approval, RuleVersion, ScheduleVersion, VersionStatus

Version = TypeVar("Version", RuleVersion, ScheduleVersion)


class VersionKind(Generic[Version]):
    """A kind whose subject is a version: a draft is submitted, waits unchanged, is a draft again if returned.

    ``gone`` says, as a msgid, that there is no such version.
    """

    model: type[Version]
    gone: str

    def version(self, subject_id: int) -> Version:
        """The version. Raises DomainError when it is gone."""
        return subject_row(self.model, subject_id, self.gone)

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        """What putting the version in force would change, in words."""
        raise NotImplementedError

    def check(self, version: Version) -> None:
        """Raise DomainError when the draft can't be submitted; one must change something."""
        if not self.changes(version.id, {}):
            raise DomainError("%(version)s says the same as the version in force.", version=str(version))

    def submitted(self, approval: Approval) -> None:
        """Mark the draft as waiting."""
        version = self.version(approval.subject_id)
        if version.status != VersionStatus.DRAFT:
            raise DomainError("Only a draft can be submitted; %(version)s is not one.", version=str(version))
        self.check(version)
        version.status = VersionStatus.SUBMITTED

    def returned(self, approval: Approval) -> None:
        """The version is a draft again."""
        self.version(approval.subject_id).status = VersionStatus.DRAFT

    def opens(self, subject_id: int) -> dict[str, Any]:
        """Return the version as what its page shows."""
        return to_row(self.model.__tablename__, subject_id)
