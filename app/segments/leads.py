"""The leads of a segment."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from app.lib import clock
from app.models import Hit, HitStatus, Lead, LeadTag
from app.segments import activity
from app.segments.definition import SegmentDef
from app.segments.evaluation import Evaluation, below, created, has_hit
from config import Settings


def leads_in(
    session: Session,
    segment: SegmentDef,
    settings: Settings,
    as_of: dt.date | None = None,
    through: dt.date | None = None,
) -> Select[int]:
    """Return a query for the ids of the live leads of a segment, as ``segment_criterion``."""
    return select(Lead.id).where(segment_criterion(session, segment, settings, as_of, through))


def segment_criterion(
    session: Session,
    segment: SegmentDef,
    settings: Settings,
    as_of: dt.date | None = None,
    through: dt.date | None = None,
    *,
    alive_at: dt.datetime | None = None,
) -> ColumnElement[bool]:
    """Return a criterion on Lead: the live leads of a segment, for use in ``session``'s present transaction.

    With ``alive_at`` those count as live whom nobody had deleted at that moment.

    It doesn't apply row scope. Everything but attributes is as of a date, by default today; windows of
    activity end with ``through``, by default the day before. Activity and facts are read by this call. Raises
    DomainError when the segment tests a fact that is gone.
    """
    as_of = as_of or clock.today()
    through = through or as_of - dt.timedelta(days=1)
    live: ColumnElement[bool] = Lead.deleted_at.is_(None)
    if alive_at is not None:
        live = or_(live, Lead.deleted_at > alive_at)
    criteria = [live, *_attributes(segment, settings.zone)]
    if segment.hits:
        criteria.append(has_hit(segment.hits, as_of))
    if segment.activity:
        given = segment.activity
        candidates = activity.table_of(
            session, settings, given.metric, given.window_days, given.at_least, through
        )
        criteria.append(Lead.id.in_(select(candidates.c.lead_id)))
    if segment.filter:
        criteria.append(Evaluation(settings, as_of, through).criterion(segment.filter))
    return and_(*criteria)


def best_grade() -> ColumnElement[str | None]:
    """Return the best grade of a lead's hits, as an expression for queries on Lead."""
    best = select(func.min(Hit.grade)).where(Hit.lead_id == Lead.id, Hit.status != HitStatus.WITHDRAWN)
    return best.scalar_subquery()


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
