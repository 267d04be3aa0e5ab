"""The clock of the installation: the database's, which all hosts share.

Leases, due times, dates and ages on screen use it. The host's own clock is used for what concerns one host:
durations, ages of files, log lines, and timestamps sent to other systems.
"""

from __future__ import annotations

import datetime as dt
import time

from flask import current_app, g, has_request_context
from sqlalchemy import Connection, func, select

from app.extensions import db

_NOW = select(func.clock_timestamp())


def now(connection: Connection | None = None) -> dt.datetime:
    """Return the current time by the database's clock. A request asks the database once and counts on.

    With a ``connection`` it is asked over that one, for code that also runs without the application.
    """
    if connection is not None:
        return connection.scalars(_NOW).one()
    if not has_request_context():
        return _ask()
    if "clock" not in g:
        g.clock = _ask(), time.monotonic()
    moment, asked = g.clock
    current: dt.datetime = moment + dt.timedelta(seconds=time.monotonic() - asked)
    return current


def today(now_: dt.datetime | None = None) -> dt.date:
    """Return the local date of a moment with a time zone, by default the current one."""
    day: dt.date = current_app.config["SETTINGS"].today(now_ or now())
    return day


def _ask() -> dt.datetime:
    """Ask the database, without leaving a transaction open or flushing the session."""
    session = db.session()
    if session.in_transaction():
        with session.no_autoflush:
            moment: dt.datetime = session.scalars(_NOW).one()
        return moment
    with db.engine.connect() as connection:
        return connection.scalars(_NOW).one()
