"""Filters of leads by segment, by quadrant of the matrix, and by RFM group."""

from __future__ import annotations

from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, select

from app.access.scope import visible_to
from app.errors import DomainError
from app.extensions import db
from app.lib.row_id import row_id
from app.models import Lead, Segment
from app.segments import matrix, rfm
from app.segments.definition import segment_def
from app.segments.leads import segment_criterion


def in_segment(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion for the present leads of a segment.

    Raises DomainError unless the user may use it.
    """
    query = select(Segment).where(Segment.id == row_id(text), visible_to(user, Segment))
    segment = db.session.scalar(query)
    if segment is None:
        raise DomainError("There is no such segment, or it is not shared with you.")
    return segment_criterion(db.session, segment_def(segment.definition), current_app.config["SETTINGS"])


def in_quadrant(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion for the present leads of a quadrant in text form.

    Raises DomainError when it is none.
    """
    quadrant = matrix.Quadrant.parse(text)
    return Lead.id.in_(matrix.leads_of(db.session, quadrant, current_app.config["SETTINGS"]))


def by_purchases(user: Any, text: str) -> ColumnElement[bool]:
    """Return a criterion for the leads of an RFM group in text form. Raises DomainError when it is none."""
    return rfm.Bought.parse(text).criterion()
