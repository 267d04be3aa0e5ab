"""Stored versions of journeys: conversion from and to JourneyDef, new versions, activation."""

from __future__ import annotations

from sqlalchemy import select

from app.approvals.versions import next_number, put_in_force
from app.errors import DomainError
from app.extensions import db
from app.journeys.definition import JourneyDef
from app.models import Journey, JourneyVersion, RuleStatus


def journey_def(version: JourneyVersion) -> JourneyDef:
    """Return the definition of a stored version."""
    return JourneyDef.model_validate(version.spec)


def add_version(journey: Journey, definition: JourneyDef, username: str) -> JourneyVersion:
    """Add a draft version with the definition to the journey. Flushes, does not commit."""
    version = JourneyVersion(
        journey=journey, number=next_number(journey), spec=definition.as_json(), created_by=username
    )
    db.session.add(version)
    db.session.flush()
    return version


def activate(version: JourneyVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Those under way stay on their version, and a paused journey stays paused. Raises DomainError when the
    version is neither.
    """
    journey = version.journey
    was_paused = journey.status == RuleStatus.PAUSED
    put_in_force(journey, version, version.spec["name"], username)
    if was_paused:
        journey.status = RuleStatus.PAUSED
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
