"""The leads of a segment."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.lib import clock
from app.models import Branch, Hit, Lead, LeadTag, Rule
from app.segments import activity
from app.segments.definition import HitFilter, SegmentDef
from config import Settings


def leads_in(session: Session, segment: SegmentDef, settings: Settings) -> Select[int]:
    """Return a query for the ids of the live leads of a segment, as ``segment_criterion``."""
    return select(Lead.id).where(segment_criterion(session, segment, settings))


def segment_criterion(session: Session, segment: SegmentDef, settings: Settings) -> ColumnElement[bool]:
    """Return a criterion on Lead: the live leads of a segment, for use in ``session``'s present transaction.

    It doesn't apply row scope. Activity is read from the cube by this call and ends with the last complete
    day.
    """
    criteria = [Lead.deleted_at.is_(None), *_attributes(segment, settings.zone)]
    if segment.hits:
        criteria.append(_has_hit(segment.hits, clock.today()))
    if segment.activity:
        given = segment.activity
        candidates = activity.table_of(session, settings, given.metric, given.window_days, given.at_least)
        criteria.append(Lead.id.in_(select(candidates.c.lead_id)))
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
        criteria.append(Lead.branch_id.in_(_branches(segment.branches)))
    if segment.tags:
        criteria.append(Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id.in_(segment.tags))))
    if segment.opted_out is not None:
        criteria.append(Lead.opted_out.is_(segment.opted_out))
    if segment.created_from:
        criteria.append(Lead.created_at >= _midnight(segment.created_from, zone))
    if segment.created_to:
        criteria.append(Lead.created_at < _midnight(segment.created_to + dt.timedelta(days=1), zone))
    return criteria


def _branches(ids: list[int]) -> Select[int]:
    """Return a query for the ids of branches and their sub-branches.

    A path holds the ids from the top down.
    """
    return select(Branch.id).where(or_(*(Branch.path.contains(f"/{each}/") for each in ids)))


def _midnight(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone)


def _has_hit(hits: HitFilter, today: dt.date) -> ColumnElement[bool]:
    criterion = exists().where(Hit.lead_id == Lead.id)
    if hits.rules:
        criterion = criterion.where(Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(hits.rules))))
    if hits.grades:
        criterion = criterion.where(Hit.grade.in_(hits.grades))
    if hits.statuses:
        criterion = criterion.where(Hit.status.in_(hits.statuses))
    if hits.days:
        criterion = criterion.where(Hit.hit_date > today - dt.timedelta(days=hits.days))
    return criterion
