"""Sessions: a signed cookie before the log-in, a row of the database after it.

After the log-in the cookie holds only a random token, so that deleting the row ends the session wherever the
cookie was copied to. Visitors who are not logged in write no rows.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, cast

from flask import Flask, Request, Response, current_app, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from sqlalchemy.exc import SQLAlchemyError

from app.access import sessions
from app.extensions import db

#: the key under which Flask-Login keeps the user's id
USER_KEY = "_user_id"
#: what stays in the session after a log-out
KEPT = ("locale", "_flashes")
#: endpoints that must not need the database
PROBES = ("/healthz", "/readyz")

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Install the session interface and its hook, which must be the first one of a request."""
    app.session_interface = ConsoleSessions()
    app.before_request(_check_session)


def poll(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a route that pages poll, so that it doesn't count as the user's activity."""
    view.is_poll = True  # type: ignore[attr-defined]
    return view


def renew() -> None:
    """Give this request's session a new token; the old one ends with the response."""
    current = _current()
    current.renewed = current.modified = True


def current_id() -> int | None:
    """Return the id of this request's session row, None when nobody is logged in."""
    return _current().row_id


def is_verified() -> bool:
    """Return whether the second factor was proven in this request's session."""
    return _current().verified


def is_fresh() -> bool:
    """Return whether the second factor was proven a few minutes ago."""
    return _current().fresh


def verify() -> None:
    """Note that the second factor was proven just now."""
    current = _current()
    if current.row_id is None:
        raise RuntimeError("nobody is logged in")
    with db.engine.begin() as connection:
        sessions.note_proof(connection, current.row_id)
    current.verified = current.fresh = True


def _check_session() -> None:
    """Record the user's activity. Raises the error that kept the session from being read."""
    current = _current()
    if current.error is not None:
        raise current.error
    view = current_app.view_functions.get(request.endpoint or "")
    if current.row_id is not None and current.due and not getattr(view, "is_poll", False):
        with db.engine.begin() as connection:
            sessions.touch(connection, current.row_id)


def _current() -> ConsoleSession:
    return cast(ConsoleSession, session._get_current_object())  # type: ignore[attr-defined]


class ConsoleSession(SecureCookieSession):
    """A request's session: ``row_id`` is the log-in's row, ``due`` whether to update its last activity."""

    row_id: int | None = None
    due = False
    #: whether the second factor was proven in this session, and whether a few minutes ago
    verified = fresh = False
    renewed = False
    #: the error that kept the row from being read
    error: SQLAlchemyError | None = None

    def __setitem__(self, key: str, value: Any) -> None:
        # Flask-AppBuilder stores the address of each page, which would include search terms.
        if key != "page_history":
            super().__setitem__(key, value)


class ConsoleSessions(SecureCookieSessionInterface):
    """The session interface, which opens and saves the session of a request."""

    session_class = ConsoleSession

    def open_session(self, app: Flask, request: Request) -> ConsoleSession:
        """Return the session of the request's cookie, an empty one if it is unknown or over."""
        if request.path in PROBES:
            return ConsoleSession()
        cookie = request.cookies.get(self.get_cookie_name(app), "")
        if "." in cookie or not cookie:
            signed = super().open_session(app, request)
            # A signed cookie with a user in it stems from a version without session rows.
            valid = isinstance(signed, ConsoleSession) and USER_KEY not in signed
            return cast(ConsoleSession, signed) if valid else ConsoleSession()
        try:
            row = sessions.find(db.session.connection(), app.config["SETTINGS"], cookie)
        except SQLAlchemyError as error:
            db.session.rollback()
            broken = ConsoleSession()
            broken.error = error
            return broken
        opened = ConsoleSession(self.serializer.loads(row.data) if row else None)
        if row:
            opened.row_id, opened.due = row.id, row.due
            opened.verified, opened.fresh = row.verified, row.fresh
        return opened

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Create, update or end the log-in's row; without a log-in, write the signed cookie."""
        if not isinstance(session, ConsoleSession) or session.error is not None:
            return
        if USER_KEY in session:
            response.vary.add("Cookie")
            if session.row_id is None or session.renewed:
                self._begin(app, session, response)
                return
            if not session.modified or self._keep(session, session.row_id):
                return
        elif session.row_id is not None:
            with db.engine.begin() as connection:
                sessions.end(connection, session.row_id)
        if session.row_id is not None:
            for key in set(session) - set(KEPT):
                del session[key]
        super().save_session(app, session, response)

    def _begin(self, app: Flask, session: ConsoleSession, response: Response) -> None:
        token = sessions.new_token()
        with db.engine.begin() as connection:
            if session.row_id is not None:
                sessions.end(connection, session.row_id)
            sessions.begin(
                connection,
                token,
                int(session[USER_KEY]),
                self.serializer.dumps(dict(session)),
                address=request.remote_addr or "",
                browser=request.user_agent.string,
            )
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(hours=app.config["SETTINGS"].session_hours)
        response.set_cookie(
            self.get_cookie_name(app),
            token,
            expires=ends,
            path=self.get_cookie_path(app),
            secure=self.get_cookie_secure(app),
            httponly=self.get_cookie_httponly(app),
            samesite=self.get_cookie_samesite(app),
        )

    def _keep(self, session: ConsoleSession, row_id: int) -> bool:
        """Store the session's changes. Return False when the log-in has ended in the meantime."""
        try:
            with db.engine.begin() as connection:
                return sessions.store_data(connection, row_id, self.serializer.dumps(dict(session)))
        except SQLAlchemyError:
            # The response is ready; it is better to lose a flashed message than the response.
            log.exception("the session could not be stored")
            return True
