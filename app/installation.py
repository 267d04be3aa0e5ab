"""The installation id, stored in both database and DATA_DIR; no process works when the two differ.

Call logs, activity and people's files lie in DATA_DIR. A process with another DATA_DIR would find an empty
inbox and treat a full day as an empty one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flask import Flask, current_app, request
from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.audit.events import event
from app.errors import DomainError
from app.extensions import db
from app.models import AppClock, Installation
from config import Settings

FILE = "installation"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = logging.getLogger(__name__)


class MismatchError(DomainError):
    """DATA_DIR belongs to another database."""


def check(engine: Engine, settings: Settings) -> str | None:
    """Return the id that DATA_DIR and database share, after storing it where it is missing.

    Return None while the database has no schema. Raises MismatchError when the ids differ, and when the
    database has an id and this DATA_DIR has none.
    """
    with _file(settings.data_dir) as file, engine.begin() as connection:
        if connection.scalar(text("SELECT to_regclass('public.installation')")) is None:
            return None
        code = _match(connection, file, settings.data_dir)
        declare(connection, settings)
        return code


def declare(connection: Connection, settings: Settings) -> None:
    """Tell the database its time zone, and that it is of production once a process says so.

    Raises MismatchError when the database refuses: its clock was moved, or this role doesn't own it.
    """
    if connection.scalar(text("SELECT to_regclass('public.app_clock')")) is None:
        return
    row = connection.execute(select(AppClock.production, AppClock.zone, AppClock.ahead)).one()
    if row.zone == settings.timezone and row.production >= settings.production:
        return
    if settings.production and row.ahead:
        raise MismatchError(
            "the clock of this database was moved by %(ahead)s, so that it is not one of production: set it"
            " right with `flask clock --reset` under another APP_ENV, if that is meant.",
            ahead=str(row.ahead),
        )
    told = {"zone": settings.timezone, "production": row.production or settings.production}
    try:
        connection.execute(update(AppClock).values(**told))
    except ProgrammingError as error:
        raise MismatchError(
            "this database does not know yet that TIMEZONE is %(zone)s and APP_ENV %(env)s, which only its"
            " owner may tell it: run `flask db upgrade` as that role with these settings.",
            zone=settings.timezone,
            env=settings.app_env,
        ) from error


def _match(connection: Connection, file: IO[str], data_dir: Path) -> str:
    row = connection.execute(select(Installation.code, Installation.place)).first()
    own = _read(file, data_dir)
    if row is None:
        # The file first: if this process ends in between, the next one uses the id in the file.
        own = own or _write(file, str(uuid.uuid4()))
        new = insert(Installation).values(id=1, code=own, place=_place(data_dir))
        connection.execute(new.on_conflict_do_nothing())
        row = connection.execute(select(Installation.code, Installation.place)).one()
    if own != row.code:
        raise MismatchError(
            "%(data_dir)s is not the DATA_DIR of this database: it belongs to %(here)s, the database to "
            "installation %(there)s, whose DATA_DIR was %(place)s. Nothing was started. Use that DATA_DIR or "
            "this one's database; only when that DATA_DIR is lost or replaced for good, run "
            "`flask store adopt`.",
            data_dir=str(data_dir),
            here=f"installation {own}" if own else "no installation yet",
            there=row.code,
            place=row.place,
        )
    return row.code


def adopt(engine: Engine, settings: Settings) -> dict[str, str | None]:
    """Give this DATA_DIR and the database a new id, so that the former DATA_DIR no longer matches.

    Return ``{"installation", "former"}``. Activity is not carried over; the caller has to say so.
    """
    with _file(settings.data_dir) as file:
        new = _write(file, str(uuid.uuid4()))
        with engine.begin() as connection:
            former = connection.scalar(select(Installation.code).with_for_update())
            values = {"code": new, "place": _place(settings.data_dir)}
            stored = insert(Installation).values(id=1, **values)
            connection.execute(stored.on_conflict_do_nothing())
            connection.execute(update(Installation).values(**values))
    event("store_adopted", FILE, new, _place(settings.data_dir), former=former)
    return {"installation": new, "former": former}


def guard(app: Flask) -> None:
    """Compare the ids before the web application answers; if the database is away, at the first request.

    Raises MismatchError.
    """
    pending = True

    def compare() -> None:
        nonlocal pending
        if pending and request.endpoint not in ("healthz", "readyz", "static"):
            check(db.engine, current_app.config["SETTINGS"])
            pending = False

    with app.app_context():
        try:
            check(db.engine, app.config["SETTINGS"])
        except OperationalError as error:
            log.warning("DATA_DIR and database are compared later: %s", type(error).__name__)
            app.before_request(compare)


@contextmanager
def _file(data_dir: Path) -> Iterator[IO[str]]:
    """Open DATA_DIR's id file under an exclusive lock."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: IO[str], data_dir: Path) -> str | None:
    file.seek(0)
    code = file.read().strip()
    if code and not _ID.fullmatch(code):
        raise MismatchError("%(path)s does not hold the id of an installation.", path=str(data_dir / FILE))
    return code or None


def _write(file: IO[str], code: str) -> str:
    file.seek(0)
    file.truncate()
    file.write(f"{code}\n")
    file.flush()
    os.fsync(file.fileno())
    return code


def _place(data_dir: Path) -> str:
    return f"{socket.gethostname()}:{data_dir}"
