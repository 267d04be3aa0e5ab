"""Who acts: what the database's triggers are told at the beginning of every transaction.

Importing this module listens to every engine of the process.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import click
from flask import g, has_request_context, request
from sqlalchemy import Connection, Engine, event

from app.extensions import db

ANONYMOUS = "anonymous"
SYSTEM = "system"
#: `python run.py` while it brings the database up to date and fills an empty one
SETUP = "setup"
_TELL = (
    "SELECT set_config('audit.actor', %s, true), set_config('audit.source', %s, true),"
    " set_config('audit.address', %s, true), set_config('audit.request', %s, true)"
)


@dataclass(frozen=True)
class Actor:
    """Who does something, by what way (screen, api, job, cli, setup), from where, as part of what request."""

    name: str
    source: str
    address: str = ""
    request: str = ""


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


@cache
def operator() -> str:
    """Who runs a command, as the change log and versions name them."""
    return f"cli:{getpass.getuser()}"


@contextmanager
def acting(name: str, source: str, request: str = "") -> Iterator[None]:
    """Transactions begun inside the block are those of this actor, whatever request is being answered."""
    token = _acting.set(Actor(name, source, "", request))
    try:
        yield
    finally:
        _acting.reset(token)


def in_background() -> bool:
    """Whether a job or a command is at work, even where it answers a request of its own making."""
    return _acting.get() is not None


def become(name: str) -> None:
    """The person that a request turned out to come from; also for the session's transaction under way."""
    g.actor = Actor(name, _way(), request.remote_addr or "", g.get("request_id", ""))
    if db.session().in_transaction():
        _tell(db.session.connection().connection.driver_connection, g.actor)


def current() -> Actor | None:
    """Who acts now; None when nobody is known, and the log names the database user."""
    given = _acting.get()
    if given is not None:
        return given
    if has_request_context():
        return g.get("actor") or Actor(ANONYMOUS, _way(), request.remote_addr or "", g.get("request_id", ""))
    command = click.get_current_context(silent=True)
    if command is not None:
        return Actor(operator(), "cli", "", command.command_path.partition(" ")[2])
    return None


def _way() -> str:
    return "api" if request.path.startswith("/api/") else "screen"


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    actor = current()
    if actor is not None:
        # Below SQLAlchemy, which believes that the transaction has yet to begin.
        _tell(connection.connection.driver_connection, actor)


def _tell(raw: Any, actor: Actor) -> None:
    raw.execute(_TELL, (actor.name, actor.source, actor.address, actor.request))
