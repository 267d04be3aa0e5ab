"""How many customers are in journeys and at their steps, of those whom a user may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select

from app.access.scope import enrolments_visible_to, sees_whole_bank
from app.extensions import db
from app.journeys.check import goes_round
from app.journeys.versions import stored_def
from app.lib.deadline import SECONDS, Deadline, DeadlineExceeded
from app.models import JourneyEnrolment, JourneyStep, JourneyStepStatus, JourneyVersion

Counts = dict[str, int]
#: how long a page waits for the numbers of all who passed
SECONDS_FOR_ALL = SECONDS


def of_journeys(user: Any, ids: Collection[int]) -> dict[int, Counts]:
    """Return the number of enrolments of each journey by status; empty when counting takes too long."""
    of = select(JourneyVersion.id, JourneyVersion.journey_id).where(JourneyVersion.journey_id.in_(ids))
    versions = dict(db.session.execute(of).tuples().all())
    # By version, of which there is an index with the status.
    query = (
        select(JourneyEnrolment.version_id, JourneyEnrolment.status, func.count())
        .where(JourneyEnrolment.version_id.in_(versions), enrolments_visible_to(user))
        .group_by(JourneyEnrolment.version_id, JourneyEnrolment.status)
    )
    found: dict[int, Counts] = defaultdict(lambda: defaultdict(int))
    try:
        rows = Deadline(db.session).execute(query)
    except DeadlineExceeded:
        return {}
    for version, status, number in rows:
        found[versions[version]][status] += number
    return found


def of_steps(user: Any, version: JourneyVersion, *, only_waiting: bool = False) -> dict[str, Counts]:
    """Return how many customers of a version stand at or passed each step, by the step's status.

    Those who wait are found by an index, however many passed before. Raises DeadlineExceeded when counting
    takes too long.
    """
    # Distinct ones are counted much slower, and are the same unless steps are repeated.
    repeats = not only_waiting and goes_round(stored_def(version).steps)
    customers = func.count(JourneyStep.enrolment_id.distinct()) if repeats else func.count()
    query = (
        select(JourneyStep.step, JourneyStep.status, customers)
        .join(JourneyEnrolment, JourneyEnrolment.id == JourneyStep.enrolment_id)
        .where(JourneyEnrolment.version_id == version.id)
        .group_by(JourneyStep.step, JourneyStep.status)
    )
    if only_waiting:
        waits = JourneyStep.status == JourneyStepStatus.WAITING
        query = query.where(waits, JourneyStep.journey_id == version.journey_id)
    if not sees_whole_bank(user):
        query = query.where(enrolments_visible_to(user))
    found: dict[str, Counts] = defaultdict(dict)
    seconds = SECONDS if only_waiting else SECONDS_FOR_ALL
    for step, status, number in Deadline(db.session, seconds).execute(query):
        found[step][status] = number
    return found


def total(counts: Counts) -> int:
    """Return how many entered."""
    return sum(counts.values())
