"""Drafts of journeys: creating a journey, and saving an edit without overwriting somebody else's."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from app.errors import DomainError, FieldError
from app.extensions import db
from app.journeys import versions
from app.journeys.definition import JourneyDef
from app.models import Journey, JourneyEnrolment, JourneyVersion, VersionStatus
from app.rules.definition import canonical


class DraftChangedError(DomainError):
    """The draft was saved by somebody else since it was opened; ``version`` is the stored one."""

    def __init__(self, version: JourneyVersion) -> None:
        self.version = version
        super().__init__("Somebody else has saved this draft in the meantime.")


def digest(version: JourneyVersion) -> str:
    """Return a text that changes with every edit of a draft."""
    return digest_of(versions.written_def(version))


def digest_of(definition: JourneyDef) -> str:
    """Return a text that is equal for equal definitions."""
    return hashlib.sha256(canonical(definition).encode()).hexdigest()


def create(definition: JourneyDef, username: str) -> JourneyVersion:
    """Create a journey with its first draft. Flushes. Raises FieldError when the code is taken."""
    if db.session.scalar(select(Journey.id).where(Journey.code == definition.code)) is not None:
        raise FieldError("code", "There is already a journey with the code %(code)s.", code=definition.code)
    journey = Journey(code=definition.code, name=definition.name)
    db.session.add(journey)
    db.session.flush()
    return versions.add_version(journey, definition, username)


def draft_of(journey: Journey, username: str) -> JourneyVersion:
    """Return the open draft of a journey, or a new copy of its newest version. Flushes.

    Raises DomainError while a version waits for approval.
    """
    db.session.execute(select(Journey.id).where(Journey.id == journey.id).with_for_update())
    db.session.refresh(journey)
    newest = journey.versions[-1]
    if newest.status == VersionStatus.SUBMITTED:
        raise DomainError(
            "%(version)s is waiting for approval; withdraw the request to change it.", version=str(newest)
        )
    if newest.status == VersionStatus.DRAFT:
        return newest
    source = journey.active_version or newest
    return versions.add_version(journey, versions.written_def(source), username)


def save(version_id: int, definition: JourneyDef, username: str, *, seen: str) -> JourneyVersion:
    """Save ``definition`` in the draft if its digest is the one that the user ``seen``.

    Flushes. Raises DraftChangedError when it is not, DomainError when the draft is gone or no draft any more.
    """
    version = db.session.get(JourneyVersion, version_id, with_for_update=True, populate_existing=True)
    if version is None:
        raise DomainError("This draft no longer exists. You can still copy your input from this page.")
    if version.status != VersionStatus.DRAFT:
        raise DomainError("%(version)s is no longer a draft, so it can't be changed.", version=str(version))
    if digest(version) != seen:
        raise DraftChangedError(version)
    if definition.code != version.journey.code:
        raise FieldError("code", "The code of a journey can't be changed.")
    if versions.written_def(version) != definition:
        version.spec = definition.as_json()
        version.edited_by = [*(name for name in version.edited_by if name != username), username]
        if version.journey.active_version is None:
            version.journey.name = definition.name
    db.session.flush()
    return version


def deletable(journey: Journey) -> bool:
    """Return whether a journey has nothing but drafts, so that nobody can have entered it."""
    return all(version.status == VersionStatus.DRAFT for version in journey.versions)


def delete(journey: Journey) -> None:
    """Delete a journey that nobody entered. Raises DomainError for another."""
    entered = select(JourneyEnrolment.id).where(JourneyEnrolment.journey_id == journey.id).limit(1)
    if db.session.scalar(entered) is not None:
        raise DomainError("Customers have entered %(name)s, so it is kept on record.", name=str(journey))
    if not deletable(journey):
        raise DomainError(
            "%(name)s was in force or waits for approval and must be kept on record.", name=str(journey)
        )
    db.session.delete(journey)
