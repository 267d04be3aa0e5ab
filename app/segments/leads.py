"""The leads of a segment."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from app.lib import clock
from app.models import Hit, Lead, LeadTag
from app.segments import activity
from app.segments.definition import SegmentDef
from app.segments.evaluation import Evaluation, below, created, has_hit
from config import Settings


def leads_in(
    session: Session, segment: SegmentDef, settings: Settings, facts_on: dt.date | None = None
) -> Select[int]:
    """Return a query for the ids of the live leads of a segment, as ``segment_criterion``."""
    return select(Lead.id).where(segment_criterion(session, segment, settings, facts_on))


def segment_criterion(
    session: Session,
    segment: SegmentDef,
    settings: Settings,
    facts_on: dt.date | None = None,
    today: dt.date | None = None,
) -> ColumnElement[bool]:
    """Return a criterion on Lead: the live leads of a segment, for use in ``session``'s present transaction.

    It doesn't apply row scope. Facts are those as of ``facts_on``, by default ``today``, which is today by
    default. Activity is read from the cube by this call and ends with the day before. Raises DomainError when
    the segment tests a fact that is gone.
    """
    today = today or clock.today()
    criteria = [Lead.deleted_at.is_(None), *_attributes(segment, settings.zone)]
    if segment.hits:
        criteria.append(has_hit(segment.hits, today))
    if segment.activity:
        given, last = segment.activity, today - dt.timedelta(days=1)
        candidates = activity.table_of(
            session, settings, given.metric, given.window_days, given.at_least, last
        )
        criteria.append(Lead.id.in_(select(candidates.c.lead_id)))
    if segment.filter:
        evaluation = Evaluation(settings, facts_on or today, today)
        criteria.append(evaluation.criterion(segment.filter))
    return and_(*criteria)


def best_grade() -> ColumnElement[str | None]:
    """Return the best grade of a lead's hits, as an expression for queries on Lead."""
    return select(func.min(Hit.grade)).where(Hit.lead_id == Lead.id).scalar_subquery()


def _attributes(segment: SegmentDef, zone: dt.tzinfo) -> list[ColumnElement[bool]]:
    criteria: list[ColumnElement[bool]] = []
    if segment.sources:
        criteria.append(Lead.source.in_(segment.sources))
    if segment.statuses:
        criteria.append(Lead.status.in_(segment.statuses))
    if segment.branches:
        criteria.append(Lead.branch_id.in_(below(segment.branches)))
    if segment.tags:
        criteria.append(Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id.in_(segment.tags))))
    if segment.opted_out is not None:
        criteria.append(Lead.opted_out.is_(segment.opted_out))
    if segment.created_from or segment.created_to:
        criteria.append(created(segment.created_from, segment.created_to, zone))
    return criteria
