"""Stored versions of journeys: conversion from and to JourneyDef, new versions, activation."""

from __future__ import annotations

from sqlalchemy import select

from app.approvals.versions import next_number, put_in_force
from app.errors import DomainError
from app.extensions import db
from app.journeys.definition import JourneyDef
from app.journeys.strategy import Book, unfold
from app.journeys.strategy_tables import read_book
from app.models import Journey, JourneyVersion, RuleStatus


def stored_def(version: JourneyVersion) -> JourneyDef:
    """Return the definition of a stored version as it stands: in a draft with its strategy tables."""
    return JourneyDef.model_validate(version.spec)


def written_def(version: JourneyVersion) -> JourneyDef:
    """Return the definition of a stored version as people wrote it, with its strategy tables."""
    return JourneyDef.model_validate(version.written or version.spec)


def journey_def(version: JourneyVersion) -> JourneyDef:
    """Return what a stored version does: the strategy tables of a draft mean what they say now.

    Raises DomainError for a draft with a table that can't be used.
    """
    stored = stored_def(version)
    return unfold(stored, read_book()) if stored.tables() else stored


def add_version(
    journey: Journey, definition: JourneyDef, username: str, written: JourneyDef | None = None
) -> JourneyVersion:
    """Add a draft version with the definition to the journey. Flushes, does not commit.

    ``written`` is what people wrote when the strategy tables in it have their meaning from a former version.
    """
    version = JourneyVersion(
        journey=journey, number=next_number(journey), spec=definition.as_json(), created_by=username
    )
    if written is not None and written != definition:
        version.written = written.as_json()
    db.session.add(version)
    db.session.flush()
    return version


def settle(version: JourneyVersion) -> None:
    """Let the strategy tables of a version mean from now on what they say now. Flushes.

    Raises DomainError for a table that can't be used.
    """
    if stored_def(version).tables():
        version.written, version.spec = version.spec, journey_def(version).as_json()
        db.session.flush()


def unsettle(version: JourneyVersion) -> None:
    """Let a version be a draft again, whose strategy tables mean what they say at its submission."""
    if version.written is not None:
        version.spec, version.written = version.written, None


def has_other_tables(version: JourneyVersion, book: Book | None = None) -> bool:
    """Return whether the strategy tables of a settled version would mean something else now.

    ``book`` is read unless given.
    """
    if version.written is None:
        return False
    try:
        return unfold(written_def(version), book or read_book()).as_json() != version.spec
    except DomainError:
        return True


def activate(version: JourneyVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Those under way stay on their version, and a paused journey stays paused. Raises DomainError when the
    version is neither.
    """
    settle(version)
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
