"""Stored versions of journeys: conversion from and to JourneyDef, new versions, activation."""

from __future__ import annotations

from sqlalchemy import func, select

from app.errors import DomainError
from app.extensions import db
from app.journeys.definition import JourneyDef
from app.lib import clock
from app.models import Journey, JourneyVersion, RuleStatus, VersionStatus


def journey_def(version: JourneyVersion) -> JourneyDef:
    """Return the definition of a stored version."""
    return JourneyDef.model_validate(version.spec)


def add_version(journey: Journey, definition: JourneyDef, username: str) -> JourneyVersion:
    """Add a draft version with the definition to the journey. Flushes, does not commit."""
    highest = None
    if journey.id is not None:
        query = select(func.max(JourneyVersion.number)).where(JourneyVersion.journey_id == journey.id)
        highest = db.session.scalar(query)
    version = JourneyVersion(
        journey=journey, number=(highest or 0) + 1, spec=definition.as_json(), created_by=username
    )
    db.session.add(version)
    db.session.flush()
    return version


def activate(version: JourneyVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Those under way stay on their version. Raises DomainError when the version is neither.
    """
    if version.status not in (VersionStatus.DRAFT, VersionStatus.SUBMITTED):
        raise DomainError("Only a draft can be activated; %(version)s is not one.", version=str(version))
    journey = version.journey
    if journey.active_version is not None:
        journey.active_version.status = VersionStatus.RETIRED
    version.status = VersionStatus.ACTIVE
    version.activated_by, version.activated_at = username, clock.now()
    journey.active_version, journey.status = version, RuleStatus.ACTIVE
    journey.name = version.spec["name"]
    db.session.flush()


def named(code: str, number: int | None = None) -> JourneyVersion:
    """Return the version of a journey with a number, by default the one in force, else the newest.

    Raises DomainError without one.
    """
    journey = db.session.scalar(select(Journey).where(Journey.code == code))
    if journey is None or not journey.versions:
        raise DomainError("There is no journey with the code %(code)s.", code=code)
    if number is None:
        return journey.active_version or journey.versions[-1]
    found = next((each for each in journey.versions if each.number == number), None)
    if found is None:
        raise DomainError("The journey %(code)s has no version %(number)s.", code=code, number=number)
    return found
