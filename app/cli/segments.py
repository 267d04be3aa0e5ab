"""The commands ``flask segments``."""

from __future__ import annotations

import datetime as dt

import click
from flask.cli import AppGroup
from sqlalchemy import func, select

from app.cli.base import DATE, as_json, print_result, require_installation
from app.errors import DomainError
from app.extensions import db
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import Lead, Segment

segments_group = AppGroup("segments", help="Segments of leads.")


@segments_group.command("count")
@click.argument("code")
@click.option("--as-of", type=DATE, help="The date as of which; by default today.")
@as_json
@require_installation
def segments_count(code: str, as_of: dt.datetime | None, json_out: bool) -> None:
    """Count the leads of a segment exactly: attributes of today, everything else as of a date."""
    from app.segments.definition import segment_def
    from app.segments.leads import segment_criterion

    day = as_of.date() if as_of else today()
    if day > today():
        raise DomainError("The date %(day)s is in the future.", day=day.isoformat())
    segment = db.session.scalar(select(Segment).where(Segment.code == code))
    if segment is None:
        raise DomainError("There is no segment with the code %(code)s.", code=code)
    definition = segment_def(segment.definition)
    criterion = segment_criterion(db.session(), definition, current_settings(), day)
    number = db.session.scalar(select(func.count()).select_from(Lead).where(criterion))
    print_result({"as_of": day.isoformat(), "leads": number}, json_out)
