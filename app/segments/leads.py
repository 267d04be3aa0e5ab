"""The leads a segment means, and how they are made up."""

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
    """The ids of the live leads of a segment; as ``meant``."""
    return select(Lead.id).where(meant(session, segment, settings))


def meant(session: Session, segment: SegmentDef, settings: Settings) -> ColumnElement[bool]:
    """Criterion on Lead: the live leads of a segment, for use in ``session``'s present transaction.

    Row scope is the caller's. Activity is that of the last complete days, read from the cube at once.
    """
    wanted = [Lead.deleted_at.is_(None), *_attributes(segment, settings.zone)]
    if segment.hits:
        wanted.append(_has_hit(segment.hits, clock.today()))
    if segment.activity:
        active = segment.activity
        candidates = activity.table_of(session, settings, active.metric, active.window_days, active.at_least)
        wanted.append(Lead.id.in_(select(candidates.c.lead_id)))
    return and_(*wanted)


def best_grade() -> ColumnElement[str | None]:
    """A lead's best grade of all its hits, for queries on Lead."""
    return select(func.min(Hit.grade)).where(Hit.lead_id == Lead.id).scalar_subquery()


def _attributes(segment: SegmentDef, zone: dt.tzinfo) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if segment.sources:
        found.append(Lead.source.in_(segment.sources))
    if segment.statuses:
        found.append(Lead.status.in_(segment.statuses))
    if segment.branches:
        found.append(Lead.branch_id.in_(_branches(segment.branches)))
    if segment.tags:
        found.append(Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id.in_(segment.tags))))
    if segment.opted_out is not None:
        found.append(Lead.opted_out.is_(segment.opted_out))
    if segment.created_from:
        found.append(Lead.created_at >= _midnight(segment.created_from, zone))
    if segment.created_to:
        found.append(Lead.created_at < _midnight(segment.created_to + dt.timedelta(days=1), zone))
    return found


def _branches(ids: list[int]) -> Select[int]:
    """The branches themselves and what lies below them: a path holds the ids from the top down."""
    return select(Branch.id).where(or_(*(Branch.path.contains(f"/{each}/") for each in ids)))


def _midnight(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone)


def _has_hit(wanted: HitFilter, today: dt.date) -> ColumnElement[bool]:
    found = exists().where(Hit.lead_id == Lead.id)
    if wanted.rules:
        found = found.where(Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(wanted.rules))))
    if wanted.grades:
        found = found.where(Hit.grade.in_(wanted.grades))
    if wanted.statuses:
        found = found.where(Hit.status.in_(wanted.statuses))
    if wanted.days:
        found = found.where(Hit.hit_date > today - dt.timedelta(days=wanted.days))
    return found
