"""Stored schedule versions: conversion from and to ScheduleDef, new versions, activation."""

from __future__ import annotations

from typing import Any

from app.approvals.versions import next_number, put_in_force
from app.extensions import db
from app.models import Schedule, ScheduleVersion
from app.schedules.definition import ScheduleDef


def schedule_spec(definition: ScheduleDef) -> dict[str, Any]:
    """Return the stored form of a definition: keys as in a configuration file, defaults left out."""
    return definition.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def version_def(version: ScheduleVersion) -> ScheduleDef:
    """Return the definition of a stored version."""
    return ScheduleDef.model_validate(version.spec)


def add_version(schedule: Schedule, definition: ScheduleDef, username: str) -> ScheduleVersion:
    """Add a draft version with the definition to the schedule. Flushes, does not commit."""
    version = ScheduleVersion(
        schedule=schedule, number=next_number(schedule), spec=schedule_spec(definition), created_by=username
    )
    db.session.add(version)
    db.session.flush()
    return version


def activate(version: ScheduleVersion, username: str) -> None:
    """Put a draft or submitted version in force and retire the previous one. Does not commit.

    Raises DomainError when the version is neither.
    """
    put_in_force(version.schedule, version, version.spec["name"], username)
