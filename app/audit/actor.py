"""The acting user: passed to the database's triggers at the beginning of every transaction.

Importing this module registers a listener on every engine of the process.
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
#: `python run.py` while it upgrades the database and fills an empty one
SETUP = "setup"
_SET_ACTOR_SQL = (
    "SELECT set_config('audit.actor', %s, true), set_config('audit.source', %s, true),"
    " set_config('audit.address', %s, true), set_config('audit.request', %s, true)"
)


@dataclass(frozen=True)
class Actor:
    """The user or process acting, its source (screen, api, job, cli, setup), network address and request."""

    name: str
    source: str
    address: str = ""
    request: str = ""


_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


@cache
def operator() -> str:
    """Return the name of whoever runs a command, as the change log and versions show it."""
    return f"cli:{getpass.getuser()}"


@contextmanager
def acting_as(name: str, source: str, request: str = "") -> Iterator[None]:
    """Attribute the transactions begun inside the block to this actor, whatever request is being served."""
    token = _acting.set(Actor(name, source, "", request))
    try:
        yield
    finally:
        _acting.reset(token)


def in_background() -> bool:
    """Return whether a job or a command is running, even one that serves a request of its own."""
    return _acting.get() is not None


def set_request_user(name: str) -> None:
    """Attribute the rest of the request to a user, including the session's open transaction."""
    g.actor = Actor(name, _source(), request.remote_addr or "", g.get("request_id", ""))
    if db.session().in_transaction():
        _set_actor(db.session.connection().connection.driver_connection, g.actor)


def current() -> Actor | None:
    """Return the present actor; None when there is none, and the log then names the database user."""
    actor = _acting.get()
    if actor is not None:
        return actor
    if has_request_context():
        return g.get("actor") or Actor(
            ANONYMOUS, _source(), request.remote_addr or "", g.get("request_id", "")
        )
    command = click.get_current_context(silent=True)
    if command is not None:
        return Actor(operator(), "cli", "", command.command_path.partition(" ")[2])
    return None


def _source() -> str:
    return "api" if request.path.startswith("/api/") else "screen"


@event.listens_for(Engine, "begin")
def _begin(connection: Connection) -> None:
    actor = current()
    if actor is not None:
        # On the driver's connection, because for SQLAlchemy the transaction has yet to begin.
        _set_actor(connection.connection.driver_connection, actor)


def _set_actor(raw: Any, actor: Actor) -> None:
    raw.execute(_SET_ACTOR_SQL, (actor.name, actor.source, actor.address, actor.request))
