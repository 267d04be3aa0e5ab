"""Conversions of leads: the single definition of success for back-tests and reports."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Date, Select, cast, func, select

from app.models import Hit, HitStatus, Lead
from config import Settings


def converted(settings: Settings, first: dt.date | None, last: dt.date | None = None) -> Select[int, dt.date]:
    """Select live leads (``lead_id``) and the local dates (``on``) of their conversions by any rule's hit."""
    day = cast(func.timezone(settings.timezone, Hit.converted_at), Date)
    query = (
        select(Hit.lead_id, day.label("on"))
        .join(Lead, Lead.id == Hit.lead_id)
        .where(Hit.status == HitStatus.CONVERTED, Lead.deleted_at.is_(None))
    )
    query = query if first is None else query.where(day >= first)
    return query if last is None else query.where(day <= last)
