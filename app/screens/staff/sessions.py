"""登录会话: who is logged in where; each ends their own sessions, administrators anybody's."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, g, jsonify, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.actions import action
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from app.access import sessions
from app.audit.events import event
from app.console import formats
from app.console.sessions import current_id, poll
from app.console.view import ConsoleView
from app.extensions import db
from app.models import LoginSession, Staff
from app.screens.staff import accounts


class LoginSessionView(ConsoleView):
    """The live sessions: one's own, and everybody's for administrators and auditors."""

    model = LoginSession
    base_permissions = ["can_list", "end"]
    computed = {
        "username": lambda each: each.user.username,
        "name": lambda each: each.user.get_full_name(),
        "where": lambda each: _where(each),
    }
    list_title = lazy_gettext("Log-in sessions")
    about = lazy_gettext("Who is logged in where. A session that is ended must log in again.")
    base_order = ("last_seen_at", "desc")
    list_columns = ["username", "name", "last_seen_at", "created_at", "address", "where"]
    order_columns = ["last_seen_at", "created_at", "address"]
    search_columns = ["user", "address"]
    label_columns = {
        "user": lazy_gettext("User"),
        "username": lazy_gettext("User name"),
        "name": lazy_gettext("Full name"),
        "last_seen_at": lazy_gettext("Last seen"),
        "created_at": lazy_gettext("Logged in since"),
        "address": lazy_gettext("Address"),
        "where": lazy_gettext("Browser"),
    }
    formatters_columns = {
        "username": formats.code,
        **dict.fromkeys(["last_seen_at", "created_at"], formats.when),
    }

    def heading(self, item: LoginSession) -> str:
        """Return the user and the browser."""
        return f"{item.user.username} · {accounts.browser_name(item.browser)}"

    def row_url(self, item: LoginSession) -> str:
        """Return no address: all there is stands in the row."""
        return ""

    def offers(self, action: str, item: LoginSession) -> bool:
        """Return whether the user may end the session: their own, as an administrator anybody's."""
        return item.user_id == g.user.id or any(role.name == "Admin" for role in g.user.roles)

    @action("end", lazy_gettext("End"), lazy_gettext("End this session?"), multiple=False)
    def end(self, item: LoginSession) -> Any:
        """End one session at once."""
        if not self.offers("end", item):
            abort(404)
        user, own = item.user, item.id == current_id()
        with db.engine.begin() as connection:
            sessions.end(connection, item.id)
        event("session_ended", Staff.__tablename__, user.id, user.username, address=item.address)
        if own:
            return redirect(url_for("HomeView.index"))
        flash(_("The session of %(name)s has ended.", name=user.username), "success")
        return redirect(url_for(".list"))

    @expose("/left")
    @poll
    def left(self) -> Any:
        """Return the seconds that the session has left, without prolonging it."""
        return _left()

    @expose("/stay", methods=["POST"])
    def stay(self) -> Any:
        """Prolong the session, as every page does, and return the seconds that it has left."""
        return _left()


def _left() -> Any:
    key = current_id()
    if key is None:
        return jsonify(seconds=0), 401
    with db.engine.connect() as connection:
        seconds = sessions.seconds_left(connection, current_app.config["SETTINGS"], key)
    return jsonify(seconds=seconds, user=g.user.id, token=generate_csrf())


def _where(each: LoginSession) -> Markup:
    here = Markup(' <span class="tag">{}</span>').format(_("this browser")) if each.id == current_id() else ""
    return Markup('<span title="{}">{}</span>{}').format(
        each.browser, accounts.browser_name(each.browser), here
    )
