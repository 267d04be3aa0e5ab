"""The one clock: the database's, which all hosts of an installation share."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select

from app.extensions import db


def now() -> dt.datetime:
    """The present moment by the database's clock."""
    moment: dt.datetime = db.session.scalars(select(func.clock_timestamp())).one()
    return moment
