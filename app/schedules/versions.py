"""Stored schedule versions: conversion from and to ScheduleDef, new versions, activation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.models import RuleStatus, Schedule, ScheduleVersion, VersionStatus
from app.schedules.definition import ScheduleDef


def schedule_spec(definition: ScheduleDef) -> dict[str, Any]:
    """Return the stored form of a definition: keys as in a configuration file, defaults left out."""
    return definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def version_def(version: ScheduleVersion) -> ScheduleDef:
    """Return the definition of a stored version."""
    return ScheduleDef.model_validate(version.spec)


def add_version(schedule: Schedule, definition: ScheduleDef, username: str) -> ScheduleVersion:
    """Add a draft version with the definition to the schedule. Flushes, does not commit."""
    highest = None
    if schedule.id is not None:
        query = select(func.max(ScheduleVersion.number)).where(ScheduleVersion.schedule_id == schedule.id)
        highest = db.session.scalar(query)
    version = ScheduleVersion(
        schedule=schedule, number=(highest or 0) + 1, spec=schedule_spec(definition), created_by=username
    )
    db.session.add(version)
    db.session.flush()
    return version


def activate(version: ScheduleVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Raises DomainError when the version is neither.
    """
    if version.status not in (VersionStatus.DRAFT, VersionStatus.SUBMITTED):
        raise DomainError("Only a draft can be activated; %(version)s is not one.", version=str(version))
    schedule = version.schedule
    if schedule.active_version is not None:
        schedule.active_version.status = VersionStatus.RETIRED
    version.status = VersionStatus.ACTIVE
    version.activated_by = username
    version.activated_at = clock.now()
    schedule.active_version = version
    schedule.name = version.spec["name"]
    schedule.status = RuleStatus.ACTIVE
    db.session.flush()
