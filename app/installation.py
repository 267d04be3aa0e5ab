"""A database and a DATA_DIR belong together: both keep one id, and no process works with two that differ.

Call logs, the activity made of them and people's files lie in DATA_DIR. Another one beside the same database
would find its own empty inbox and take a full day for an empty one.
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
from sqlalchemy.exc import OperationalError

from app.audit.events import event
from app.errors import DomainError
from app.extensions import db
from app.models import Installation
from config import Settings

FILE = "installation"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

log = logging.getLogger(__name__)


class MismatchError(DomainError):
    """DATA_DIR and database don't belong together."""


def check(engine: Engine, settings: Settings) -> str | None:
    """The id that DATA_DIR and database share; written to whichever has none while neither is another's.

    None while the database has no schema yet. Raises MismatchError when the two differ, and when the database
    belongs to another DATA_DIR while this one belongs nowhere.
    """
    with _file(settings.data_dir) as file, engine.begin() as connection:
        if connection.scalar(text("SELECT to_regclass('public.installation')")) is None:
            return None
        return _agree(connection, file, settings.data_dir)


def _agree(connection: Connection, file: IO[str], data_dir: Path) -> str:
    there, here = (
        connection.execute(select(Installation.code, Installation.place)).first(),
        _read(file, data_dir),
    )
    if there is None:
        # The file first: a process that ends in between leaves an id that the next one takes over.
        here = here or _write(file, str(uuid.uuid4()))
        mine = insert(Installation).values(id=1, code=here, place=_place(data_dir))
        connection.execute(mine.on_conflict_do_nothing())
        there = connection.execute(select(Installation.code, Installation.place)).one()
    if here != there.code:
        raise MismatchError(
            "%(data_dir)s is not the DATA_DIR of this database: it belongs to %(here)s, the database to "
            "installation %(there)s, whose DATA_DIR was %(place)s. Nothing was started. Use that DATA_DIR or "
            "this one's database; only when that DATA_DIR is lost or replaced for good, run "
            "`flask store adopt`.",
            data_dir=str(data_dir),
            here=f"installation {here}" if here else "no installation yet",
            there=there.code,
            place=there.place,
        )
    return there.code


def adopt(engine: Engine, settings: Settings) -> dict[str, str | None]:
    """Make this DATA_DIR the database's under a new id, so that the one before fits no more.

    ``{"installation", "former"}``. It has its own activity or none; the caller says what that means.
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
    """Compare before the web application answers; without a database the first request does that.

    Raises MismatchError.
    """
    waiting = True

    def compare() -> None:
        nonlocal waiting
        if waiting and request.endpoint not in ("healthz", "readyz", "static"):
            check(db.engine, current_app.config["SETTINGS"])
            waiting = False

    with app.app_context():
        try:
            check(db.engine, app.config["SETTINGS"])
        except OperationalError as error:
            log.warning("DATA_DIR and database are compared later: %s", type(error).__name__)
            app.before_request(compare)


@contextmanager
def _file(data_dir: Path) -> Iterator[IO[str]]:
    """DATA_DIR's file, held alone by this process."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+", encoding="utf-8", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: IO[str], data_dir: Path) -> str | None:
    file.seek(0)
    found = file.read().strip()
    if found and not _ID.fullmatch(found):
        raise MismatchError("%(path)s does not hold the id of an installation.", path=str(data_dir / FILE))
    return found or None


def _write(file: IO[str], code: str) -> str:
    file.seek(0)
    file.truncate()
    file.write(f"{code}\n")
    file.flush()
    os.fsync(file.fileno())
    return code


def _place(data_dir: Path) -> str:
    return f"{socket.gethostname()}:{data_dir}"
