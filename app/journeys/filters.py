"""Filters of enrolments that belong to no column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, exists, select

from app.errors import DomainError
from app.leads.filters import named
from app.models import JourneyEnrolment, JourneyStep, JourneyStepStatus, Lead
from app.selection.special import FILTERS


def parse(text: str) -> tuple[str, str]:
    """Return the id and the status of a step in ``step:status``. Raises DomainError for another text."""
    step, _colon, status = text.partition(":")
    if status not in tuple(JourneyStepStatus):
        raise DomainError("Unknown status of a step: %(name)s", name=text[:40])
    return step, status


def at_step(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for enrolments that stand at a step, or passed it in a status."""
    step, status = parse(text)
    return exists().where(
        JourneyStep.enrolment_id == JourneyEnrolment.id,
        JourneyStep.step == step,
        JourneyStep.status == status,
    )


def of_customer(user: Any, text: str) -> ColumnElement[bool]:
    """Return the criterion for enrolments of customers by the beginning of their name or lead number."""
    return JourneyEnrolment.lead_id.in_(select(Lead.id).where(named(user, text)))


FILTERS[JourneyEnrolment] = {"at": at_step, "name": of_customer}
