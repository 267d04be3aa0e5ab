"""Stored schedules as definitions."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.models import Schedule
from app.rules.definition import ScheduleDef
from app.rules.schedule_versions import version_def


def schedule_def(code: str) -> ScheduleDef:
    """What the version in force of a schedule says. Raises DomainError when there is none."""
    row = db.session.scalar(select(Schedule).where(Schedule.code == code))
    if row is None:
        raise DomainError("There is no schedule with the code %(code)s.", code=code)
    if row.active_version is None:
        raise DomainError("%(schedule)s has no version in force yet.", schedule=str(row))
    return version_def(row.active_version)
