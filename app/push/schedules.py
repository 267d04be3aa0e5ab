"""Stored schedules as definitions."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.models import Schedule
from app.rules.definition import ScheduleDef


def schedule_def(code: str) -> ScheduleDef:
    """What the schedule with this code says. Raises DomainError when there is none."""
    row = db.session.scalar(select(Schedule).where(Schedule.code == code))
    if row is None:
        raise DomainError("There is no schedule with the code %(code)s.", code=code)
    return ScheduleDef.model_validate(row.spec)
