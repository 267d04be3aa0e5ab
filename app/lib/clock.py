"""The clock of the installation: ``app_now()`` in the database, which all hosts share.

Leases, due times, dates and ages on screen use it, in Python and in SQL. ``flask clock`` moves it for tests,
demonstrations and simulations; in production it can't be moved. The change log bears the server's own time.
The host's own clock is used for what concerns one host: durations, ages of files, log lines, and timestamps
sent to other systems.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from flask import current_app, g, has_request_context
from sqlalchemy import ColumnElement, Connection, DateTime, func, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.extensions import db

#: the present moment in SQL, which goes on within a transaction
MOMENT: ColumnElement[dt.datetime] = func.app_now(type_=DateTime(timezone=True))
#: the moment in SQL at which the transaction began
BEGAN: ColumnElement[dt.datetime] = func.app_now(func.now(), type_=DateTime(timezone=True))
_NOW = select(MOMENT)


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


def unmoved(connection: Connection | Session) -> dt.datetime:
    """Return the server's own time, which the change log bears."""
    moment: dt.datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def ahead(connection: Connection | Session) -> dt.timedelta:
    """Return by how much the clock was moved."""
    moved: Any = connection.execute(text("SELECT ahead FROM app_clock")).scalar_one()
    return dt.timedelta(seconds=moved.total_seconds())


def move(connection: Connection | Session, moment: dt.datetime | None) -> None:
    """Set the clock, from which time goes on; None sets it right. Does not commit.

    Raises DomainError in production, and for everybody but the owner of the database.
    """
    offset = dt.timedelta() if moment is None else moment - unmoved(connection)
    try:
        connection.execute(text("UPDATE app_clock SET ahead = :offset"), {"offset": offset})
    except (IntegrityError, ProgrammingError) as error:
        why = str(error.orig).splitlines()[0]
        raise DomainError("The database does not let its clock be moved: %(why)s.", why=why) from error


def _ask() -> dt.datetime:
    """Ask the database, without leaving a transaction open or flushing the session."""
    session = db.session()
    if session.in_transaction():
        with session.no_autoflush:
            moment: dt.datetime = session.scalars(_NOW).one()
        return moment
    with db.engine.connect() as connection:
        return connection.scalars(_NOW).one()
