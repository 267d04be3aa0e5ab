"""Versions of rules, schedules and journeys: what numbering, activation and approval have in common."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import with_parent

from app.approvals.kinds import Change, subject_row
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.pointers import to_row
from app.models import (
    Approval,
    Journey,
    JourneyVersion,
    Rule,
    RuleStatus,
    RuleVersion,
    Schedule,
    ScheduleVersion,
    VersionStatus,
)

Version = TypeVar("Version", RuleVersion, ScheduleVersion, JourneyVersion)
#: statuses of versions that can be put in force
OPEN = (VersionStatus.DRAFT, VersionStatus.SUBMITTED, VersionStatus.CANARY)


def next_number(owner: Rule | Schedule | Journey) -> int:
    """Return the number of the next version of a rule, schedule or journey."""
    if owner.id is None:
        return 1
    relation: Any = type(owner).versions
    number = relation.property.entity.class_.number
    return (db.session.scalar(select(func.max(number)).where(with_parent(owner, relation))) or 0) + 1


def put_in_force(owner: Any, version: Version, name: str, username: str) -> None:
    """Put a version of a rule, schedule or journey in force and retire the one before. Flushes.

    Raises DomainError for a version that is neither a draft nor submitted nor a canary.
    """
    if version.status not in OPEN:
        raise DomainError("Only a draft can be activated; %(version)s is not one.", version=str(version))
    if owner.active_version is not None:
        owner.active_version.status = VersionStatus.RETIRED
    version.status = VersionStatus.ACTIVE
    version.activated_by, version.activated_at = username, clock.now()
    owner.active_version, owner.name, owner.status = version, name, RuleStatus.ACTIVE
    db.session.flush()


class VersionKind(Generic[Version]):
    """A kind whose subject is a version: a draft that waits unchanged and is a draft again when returned.

    ``gone`` is the message (a msgid) for a version that no longer exists.
    """

    model: type[Version]
    gone: str

    def version(self, subject_id: int) -> Version:
        """Return the version. Raises DomainError when it no longer exists."""
        return subject_row(self.model, subject_id, self.gone)

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        """Return what activating the version would change, in words."""
        raise NotImplementedError

    def check(self, version: Version) -> None:
        """Check that a draft can be submitted. Raises DomainError when it changes nothing."""
        if not self.changes(version.id, {}):
            raise DomainError("%(version)s is identical to the version in force.", version=str(version))

    def submitted(self, approval: Approval) -> None:
        """Mark the draft as submitted. Raises DomainError when it is not a draft or fails the check."""
        version = self.version(approval.subject_id)
        if version.status != VersionStatus.DRAFT:
            raise DomainError("Only a draft can be submitted; %(version)s is not one.", version=str(version))
        self.check(version)
        version.status = VersionStatus.SUBMITTED

    def returned(self, approval: Approval) -> None:
        """Make the version a draft again."""
        self.version(approval.subject_id).status = VersionStatus.DRAFT

    def opens(self, subject_id: int) -> dict[str, Any]:
        """Return the row of the version, whose page shows it."""
        return to_row(self.model.__tablename__, subject_id)
