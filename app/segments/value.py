"""The value of customers: the margin of what they bought in the twelve months up to a date."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Subquery, func, select

from app.extensions import db
from app.models import Outcome, Product


def margin() -> ColumnElement[Decimal]:
    """Return the margin of an outcome as delivered, else by its product's rate; for queries on both."""
    return func.coalesce(Outcome.margin, Outcome.amount * Product.margin_rate)


def year_to(day: dt.date) -> tuple[dt.date, dt.date]:
    """Return the first and the last day of the twelve months up to a day."""
    try:
        before = day.replace(year=day.year - 1)
    except ValueError:
        before = day.replace(year=day.year - 1, day=28)
    return before + dt.timedelta(days=1), day


def bought(day: dt.date) -> Subquery:
    """Return the customers of the twelve months up to a day and what they bought.

    Columns: lead_id, value (the margin), amount, times, last (the latest date).
    """
    return (
        select(
            Outcome.lead_id,
            func.sum(margin()).label("value"),
            func.sum(Outcome.amount).label("amount"),
            func.count().label("times"),
            func.max(Outcome.on_date).label("last"),
        )
        .join(Product, Product.id == Outcome.product_id)
        .where(Outcome.on_date.between(*year_to(day)))
        .group_by(Outcome.lead_id)
        .subquery()
    )


def of_lead(lead_id: int, day: dt.date) -> Any:
    """Return the row of ``bought`` of a lead, None when it bought nothing."""
    each = bought(day)
    return db.session.execute(select(each).where(each.c.lead_id == lead_id)).one_or_none()
