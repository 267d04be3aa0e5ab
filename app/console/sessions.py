"""Sessions: before the log-in a signed cookie that tells of none, from the log-in on a row of the database.

The cookie of somebody logged in holds a random token and nothing else, so that ending the row ends the
session wherever the cookie was copied to. Visitors who are not logged in write no rows.
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

#: where Flask-Login keeps who is logged in
PERSON = "_user_id"
#: what a visitor keeps when the log-in ends
KEPT = ("locale", "_flashes")
#: what is answered whatever the database does
PROBES = ("/healthz", "/readyz")

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Keep sessions as this module does. The first of the request's hooks."""
    app.session_interface = ConsoleSessions()
    app.before_request(_look)


def poll(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a route that pages ask by themselves: it does not count as something that a person did."""
    view.is_poll = True  # type: ignore[attr-defined]
    return view


def renew() -> None:
    """Give this request's session a new token; the present one ends when the answer is made."""
    present = _present()
    present.renewed = present.modified = True


def present_id() -> int | None:
    """The row of this request's session, None when nobody is logged in."""
    return _present().row_id


def _look() -> None:
    """Note that the person is there; raise what kept the session from being read."""
    present = _present()
    if present.trouble is not None:
        raise present.trouble
    view = current_app.view_functions.get(request.endpoint or "")
    if present.row_id is not None and present.due and not getattr(view, "is_poll", False):
        with db.engine.begin() as connection:
            sessions.touch(connection, present.row_id)


def _present() -> ConsoleSession:
    return cast(ConsoleSession, session._get_current_object())  # type: ignore[attr-defined]


class ConsoleSession(SecureCookieSession):
    """A request's session; ``row_id`` is the log-in's row, ``due`` whether this request is to be noted."""

    row_id: int | None = None
    due = False
    renewed = False
    #: why the row could not be read
    trouble: SQLAlchemyError | None = None

    def __setitem__(self, key: str, value: Any) -> None:
        # Flask-AppBuilder notes each page that is opened, and with it what was searched for.
        if key != "page_history":
            super().__setitem__(key, value)


class ConsoleSessions(SecureCookieSessionInterface):
    """Opens and saves the session of a request."""

    session_class = ConsoleSession

    def open_session(self, app: Flask, request: Request) -> ConsoleSession:
        """The session of the request's cookie; a fresh one when that is unknown or over."""
        if request.path in PROBES:
            return ConsoleSession()
        cookie = request.cookies.get(self.get_cookie_name(app), "")
        if "." in cookie or not cookie:
            found = super().open_session(app, request)
            # A signed cookie with a person in it was made before log-ins were rows.
            return found if isinstance(found, ConsoleSession) and PERSON not in found else ConsoleSession()
        try:
            row = sessions.find(db.session.connection(), app.config["SETTINGS"], cookie)
        except SQLAlchemyError as error:
            db.session.rollback()
            broken = ConsoleSession()
            broken.trouble = error
            return broken
        opened = ConsoleSession(self.serializer.loads(row.data) if row else None)
        if row:
            opened.row_id, opened.due = row.id, row.due
        return opened

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Begin, keep or end the log-in's row; what a visitor has goes into the cookie."""
        if not isinstance(session, ConsoleSession) or session.trouble is not None:
            return
        if PERSON in session:
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
                int(session[PERSON]),
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
        """Store what the request changed; False when the log-in has ended meanwhile."""
        try:
            with db.engine.begin() as connection:
                return sessions.store_data(connection, row_id, self.serializer.dumps(dict(session)))
        except SQLAlchemyError:
            # The answer is made; a message that is not shown is no reason to withhold it.
            log.exception("the session could not be stored")
            return True
