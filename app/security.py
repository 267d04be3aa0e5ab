"""The security manager: staff with a branch, only the security views we use, roles seeded from one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, current_app, g, redirect, request, session, url_for
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_appbuilder.security.views import AuthDBView
from flask_babel import gettext
from flask_limiter.util import get_remote_address
from flask_login import current_user

from app import permissions
from app.access import devices, password_links, taints
from app.audit.actor import become
from app.audit.events import event, pseudonym
from app.console import sessions
from app.extensions import db
from app.models import Staff
from app.screens.staff import views


class StaffSecurityManager(SecurityManager):  # type: ignore[misc]
    """Flask-AppBuilder's database log-in with our user model and views."""

    user_model = Staff
    userdbmodelview = views.StaffView
    rolemodelview = views.RoleView
    userinfoeditview = views.ProfileView
    resetmypasswordview = views.MyPasswordView
    resetpasswordview = views.PasswordView

    def register_views(self) -> None:
        """Log-in, profile and passwords; users and roles come with the other views."""
        self.auth_view = self.appbuilder.add_view_no_menu(AuthDBView())
        self.user_view = views.StaffView
        self._limit_log_in("60 per minute", devices.rate_limit_key)
        self._limit_log_in("10 per 10 minutes", _address_and_name, unless=devices.is_known_user)
        self.appbuilder.add_view_no_menu(views.PasswordLinkView)
        for view in (self.userinfoeditview, self.resetmypasswordview, self.resetpasswordview):
            self.appbuilder.add_view_no_menu(view)

    def _limit_log_in(
        self, rate: str, key: Callable[[], str], unless: Callable[[], bool] | None = None
    ) -> None:
        """Failed log-ins count; more than ``rate`` of them for one key are refused unseen.

        Never by person alone, nor by address where the browser knows the person: anybody could shut out whom
        they can name, or all who share their address.
        """
        self.limiter.limit(
            rate,
            key_func=key,
            methods=["POST"],
            deduct_when=_log_in_failed,
            exempt_when=unless,
            error_message=lambda: gettext("Too many failed log-ins. Please wait some minutes and try again."),
        )(self.auth_view.blueprint)

    @staticmethod
    def before_request() -> Any:
        """Who asks; and nothing but the form for a password of their own, while they have none."""
        SecurityManager.before_request()
        return ask_for_own_password()

    def get_user_datamodel(self) -> Any:
        """Data access of the user model."""
        return SQLAInterface(self.user_model, db.session)

    def validate_api_key(self, api_key_string: str) -> Any | None:
        """The person a key belongs to, as our user model: the library's lacks the branch that scopes rows."""
        found = super().validate_api_key(api_key_string)
        if found is None:
            return None
        user_id = found.id
        db.session.expunge(found)
        g.user = self.get_user_by_id(user_id)
        become(g.user.username)
        return g.user

    def on_user_login(self, user: Any) -> None:
        """Open the console in the person's own language, under a token and with forms of this log-in only."""
        session["locale"] = user.language or current_app.config["BABEL_DEFAULT_LOCALE"]
        session.pop("csrf_token", None)
        sessions.renew()
        if devices.typed_username():
            devices.remember_user()
        become(user.username)
        event("log_in", Staff.__tablename__, user.id, user.username)

    def on_user_logout(self, user: Any) -> None:
        """Note it."""
        event("log_out", Staff.__tablename__, user.id, user.username)

    def auth_user_db(self, username: str, password: str) -> Any | None:
        """The person of a name and password. A failure is noted; what was typed only when it is a log-in."""
        user = super().auth_user_db(username, password)
        if user is None:
            known = self.find_user(username=username) if username else None
            name = known.username if known else pseudonym(username or "")
            event("log_in_failed", Staff.__tablename__, known.id if known else None, name)
        return user

    def load_user(self, pk: Any) -> Any | None:
        """The person of a session, unless they were switched off."""
        user = super().load_user(pk)
        if user is not None:
            become(user.username)
        return user

    def reset_password(self, userid: Any, password: str) -> None:
        """Store a new password, which ends every session of the person; the one that changed it goes on anew.

        Who was given it by another person has to choose their own, and the other one could act under the
        account; by command the operator answers for it, and nobody else could any more.
        """
        me, person = g.get("user"), self.get_user_by_id(userid)
        by_person = me is not None and me.is_authenticated
        own = by_person and me.id == person.id
        if by_person:
            taints.add_taint(person, me, taints.PASSWORD)
        else:
            taints.clear(person)
        person.password_given = bool(by_person and not own)
        super().reset_password(userid, password)
        if own:
            sessions.renew()

    def choose_password(self, token: str, password: str) -> Any:
        """Store the password that a person chose through a mailed link, and end all sessions; the person.

        Raises DomainError when the link is good no more.
        """
        person = password_links.use(token)
        become(person.username)
        person.password_given = False
        super().reset_password(person.id, password)
        event("password_chosen", Staff.__tablename__, person.id, person.username)
        return person


#: what a person may open before they have chosen a password of their own
BEFORE_OWN_PASSWORD = {
    "MyPasswordView.this_form_get",
    "MyPasswordView.this_form_post",
    "PasswordLinkView.choose",
    "AuthDBView.login",
    "AuthDBView.logout",
    "LocaleView.index",
    "appbuilder.static",
    "static",
    "healthz",
    "readyz",
}


def ask_for_own_password() -> Any:
    """The form for a password of one's own instead, while somebody else chose the present one."""
    if request.endpoint in BEFORE_OWN_PASSWORD or not getattr(current_user, "password_given", False):
        return None
    manager = current_app.appbuilder.sm  # type: ignore[attr-defined]
    if not manager.has_access("can_this_form_get", "MyPasswordView"):
        return None  # without a role yet: nothing opens anyway
    return redirect(url_for("MyPasswordView.this_form_get"))


def _address_and_name() -> str:
    return f"{get_remote_address()} {devices.typed_username()}"


def _log_in_failed(response: Response) -> bool:
    return not current_user.is_authenticated


def seed_permissions(appbuilder: Any) -> None:
    """Make roles and their permissions exactly what app/permissions.py says. Safe to repeat.

    Roles an administrator added by hand are left alone; the built-in ones are reset to the table. What a role
    gained or lost is an event of the change log.
    """
    manager = appbuilder.sm
    for name in (*permissions.ROLES.values(), "Public"):
        if manager.find_role(name) is None:
            manager.add_role(name)
    menu = permissions.menu_names(appbuilder)
    changed = []
    for role_name in (*permissions.ROLES.values(), "Public"):
        role = manager.find_role(role_name)
        had = {(pair.permission.name, pair.view_menu.name) for pair in role.permissions}
        wanted = permissions.granted(role_name, menu) if role_name != "Public" else set()
        role.permissions = [manager.add_permission_view_menu(*pair) for pair in sorted(wanted)]
        changed += [(role.id, role_name, had, wanted)] if had != wanted else []
    db.session.commit()
    for role_id, name, had, wanted in changed:
        given, taken = (sorted(" ".join(pair) for pair in some) for some in (wanted - had, had - wanted))
        event("permissions_seeded", "ab_role", role_id, name, given=given, taken=taken)
