"""The one clock: the database's, which all hosts of an installation share.

Leases, due moments, dates and the ages on screen go by it. The host's own clock serves what concerns the host
alone: how long something takes, ages of files, log lines, moments told to other systems.
"""

from __future__ import annotations

import datetime as dt
import time

from flask import current_app, g, has_request_context
from sqlalchemy import Connection, func, select

from app.extensions import db

_NOW = select(func.clock_timestamp())


def now(connection: Connection | None = None) -> dt.datetime:
    """The present moment by the database's clock; a request asks the database once and goes on from there.

    With a connection it is asked there, for what also runs without the application.
    """
    if connection is not None:
        return connection.scalars(_NOW).one()
    if not has_request_context():
        return _asked()
    if "clock" not in g:
        g.clock = _asked(), time.monotonic()
    moment, asked = g.clock
    passed: dt.datetime = moment + dt.timedelta(seconds=time.monotonic() - asked)
    return passed


def today(now_: dt.datetime | None = None) -> dt.date:
    """The local date of a moment with a zone, by default the present one."""
    day: dt.date = current_app.config["SETTINGS"].today(now_ or now())
    return day


def _asked() -> dt.datetime:
    """What the database answers. No transaction is left open, and nothing of the session's is written."""
    session = db.session()
    if session.in_transaction():
        with session.no_autoflush:
            moment: dt.datetime = session.scalars(_NOW).one()
        return moment
    with db.engine.connect() as connection:
        return connection.scalars(_NOW).one()
