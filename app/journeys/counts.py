"""How many customers are in journeys and at their steps, of those whom a user may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select

from app.access.scope import enrolments_visible_to, sees_whole_bank
from app.extensions import db
from app.lib.deadline import Deadline, DeadlineExceeded
from app.models import EnrolmentStatus, JourneyEnrolment, JourneyStep

Counts = dict[str, int]


def of_journeys(user: Any, ids: Collection[int]) -> dict[int, Counts]:
    """Return the number of enrolments of each journey by status; empty when counting takes too long."""
    query = (
        select(JourneyEnrolment.journey_id, JourneyEnrolment.status, func.count())
        .where(JourneyEnrolment.journey_id.in_(ids), enrolments_visible_to(user))
        .group_by(JourneyEnrolment.journey_id, JourneyEnrolment.status)
    )
    found: dict[int, Counts] = defaultdict(dict)
    try:
        rows = Deadline(db.session).execute(query)
    except DeadlineExceeded:
        return {}
    for key, status, number in rows:
        found[key][status] = number
    return found


def of_steps(user: Any, version_id: int) -> dict[str, Counts]:
    """Return how many customers of a version stand at or passed each step, by the step's status.

    Raises DeadlineExceeded when counting takes too long.
    """
    query = (
        select(JourneyStep.step, JourneyStep.status, func.count(JourneyStep.enrolment_id.distinct()))
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .where(JourneyEnrolment.version_id == version_id)
        .group_by(JourneyStep.step, JourneyStep.status)
    )
    if not sees_whole_bank(user):
        query = query.where(enrolments_visible_to(user))
    found: dict[str, Counts] = defaultdict(dict)
    for step, status, number in Deadline(db.session).execute(query):
        found[step][status] = number
    return found


def total(counts: Counts) -> int:
    """Return how many entered."""
    return sum(counts.values())


def under_way(counts: Counts) -> int:
    """Return how many are under way."""
    return counts.get(EnrolmentStatus.UNDER_WAY, 0)
