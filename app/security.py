"""The security manager: our user model and views, log-in limits and own passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_babel import gettext
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user

from app.access import devices, password_links, passwords, second_factor, taints
from app.audit.actor import set_request_user
from app.audit.events import event, pseudonym
from app.console import broken, sessions
from app.extensions import db
from app.models import Staff
from app.screens.staff import views
from app.screens.staff.log_in import LogInView
from app.screens.staff.second_factor import SecondFactorView, ask_again


class StaffSecurityManager(SecurityManager):  # type: ignore[misc]
    """Flask-AppBuilder's database log-in with our user model and views."""

    user_model = Staff
    userdbmodelview = views.StaffView
    rolemodelview = views.RoleView
    userinfoeditview = views.ProfileView
    resetmypasswordview = views.MyPasswordView
    resetpasswordview = views.PasswordView

    def register_views(self) -> None:
        """Register log-in, profile and password views; users and roles come with the other views."""
        self.auth_view = self.appbuilder.add_view_no_menu(LogInView())
        self.user_view = views.StaffView
        self._limit_log_in("60 per minute", devices.rate_limit_key)
        self._limit_log_in("10 per 10 minutes", _address_and_name, unless=devices.is_known_user)
        self.appbuilder.add_view_no_menu(views.PasswordLinkView)
        self.appbuilder.add_view_no_menu(SecondFactorView)
        for view in (self.userinfoeditview, self.resetmypasswordview, self.resetpasswordview):
            self.appbuilder.add_view_no_menu(view)

    def create_limiter(self, app: Flask) -> Limiter:
        """Return the limiter, which counts the requests to each route by person, or by address."""
        most = f"{app.config['SETTINGS'].requests_per_minute} per minute"
        limiter = Limiter(key_func=_person, default_limits=[most])
        limiter.init_app(app)
        return limiter

    def _limit_log_in(
        self, rate: str, key: Callable[[], str], unless: Callable[[], bool] | None = None
    ) -> None:
        """Refuse further log-ins after more than ``rate`` failed ones for one key.

        The key is never the user name alone, nor the address where the browser has logged the user in before:
        otherwise anybody could lock out a user they can name, or everybody behind their address.
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
        """Load the user, and redirect a user whose password was set by somebody else to the password form."""
        SecurityManager.before_request()
        return require_second_factor() or require_own_password() or require_fresh_proof()

    def get_user_datamodel(self) -> Any:
        """Return the data interface of the user model."""
        return SQLAInterface(self.user_model, db.session)

    def validate_api_key(self, api_key_string: str) -> Any | None:
        """Return the user of a key as our model: the library's lacks the branch that scopes rows."""
        user = super().validate_api_key(api_key_string)
        if user is None:
            return None
        user_id = user.id
        db.session.expunge(user)
        g.user = self.get_user_by_id(user_id)
        set_request_user(g.user.username)
        return g.user

    def on_user_login(self, user: Any) -> None:
        """Set the user's language, renew the session token and the CSRF token, and log the event."""
        session["locale"] = user.language or current_app.config["BABEL_DEFAULT_LOCALE"]
        session.pop("csrf_token", None)
        sessions.renew()
        if devices.typed_username():
            devices.remember_user(user.id)
        set_request_user(user.username)
        event("log_in", Staff.__tablename__, user.id, user.username)

    def on_user_logout(self, user: Any) -> None:
        """Log the event."""
        event("log_out", Staff.__tablename__, user.id, user.username)

    def auth_user_db(self, username: str, password: str) -> Any | None:
        """Return the user of a name and password. A failure is logged, with the name only if it is known."""
        user = super().auth_user_db(username, password)
        if user is None:
            known = self.find_user(username=username) if username else None
            name = known.username if known else pseudonym(username or "")
            event("log_in_failed", Staff.__tablename__, known.id if known else None, name)
        return user

    def load_user(self, pk: Any) -> Any | None:
        """Return the user of a session, None when the account is disabled."""
        user = super().load_user(pk)
        if user is not None:
            set_request_user(user.username)
        return user

    def reset_password(self, userid: Any, password: str) -> None:
        """Store a new password and end every session of the account; a user's own current session is renewed.

        A password set by another user must be replaced by the account's owner, and until then that user could
        act under the account, which is recorded. A command has no user; it clears that record. Raises
        FieldError for a password that the account may not have.
        """
        user, account = g.get("user"), self.get_user_by_id(userid)
        by_user = user is not None and user.is_authenticated
        own = by_user and user.id == account.id
        passwords.check(account, password, own=own or not by_user)
        passwords.remember(account)
        if by_user:
            taints.add_taint(account, user, taints.PASSWORD)
        else:
            taints.clear(account)
        account.password_given = bool(by_user and not own)
        super().reset_password(userid, password)
        if own:
            sessions.renew()

    def add_user(
        self, username: str, first_name: str, last_name: str, email: str, *args: Any, **kw: Any
    ) -> Any:
        """Add an account. Raises FieldError for a password that it may not have."""
        password = kw.get("password") or (args[1] if len(args) > 1 else "")
        if password:
            names = {"username": username, "first_name": first_name, "last_name": last_name, "email": email}
            passwords.check(Staff(**names), password)
        return super().add_user(username, first_name, last_name, email, *args, **kw)

    def choose_password(self, token: str, password: str) -> Any:
        """Store the password that a user chose through a mailed link, and end all sessions. Return the user.

        Raises DomainError when the link is no longer valid, FieldError for a password that the user may not
        have.
        """
        user = password_links.use(token)
        passwords.check(user, password)
        passwords.remember(user)
        set_request_user(user.username)
        user.password_given = False
        super().reset_password(user.id, password)
        event("password_chosen", Staff.__tablename__, user.id, user.username)
        return user


#: endpoints that are open to everybody
OPEN = {
    "PasswordLinkView.choose",
    "LogInView.login",
    "LogInView.logout",
    "LocaleView.index",
    "appbuilder.static",
    "static",
    "healthz",
    "readyz",
}
#: endpoints at which a user proves the second factor
PROOF = {f"SecondFactorView.{each}" for each in ("prove", "ask_key", "prove_key")}
#: endpoints that are open before a user has chosen their own password
BEFORE_OWN_PASSWORD = OPEN | PROOF | {"MyPasswordView.this_form_get", "MyPasswordView.this_form_post"}


def require_own_password() -> Any:
    """Redirect to the password form while the user's password is one that somebody else set."""
    if request.endpoint in BEFORE_OWN_PASSWORD or not getattr(current_user, "password_given", False):
        return None
    manager = current_app.appbuilder.sm  # type: ignore[attr-defined]
    if not manager.has_access("can_this_form_get", "MyPasswordView"):
        return None  # a user without a role can't open anything anyway
    return redirect(url_for("MyPasswordView.this_form_get"))


#: acts for which the second factor must have been proven a few minutes ago
GRAVE = {
    "ApprovalView.approve",
    *(f"{view}.export_clear" for view in ("LeadView", "CustomerView", "HitView")),
    *(f"{view}.{act}" for view in ("StaffView", "RoleView") for act in ("add", "edit")),
    "PasswordView.this_form_post",
    "ApiKeyView.create",
    "SecondFactorView.remove",
    "SecondFactorView.recovery",
}
#: actions of the list of users that are as grave
GRAVE_ACTIONS = {"resetfactor", "sendlink"}
BEFORE_SECOND_FACTOR = OPEN | PROOF | {"LoginSessionView.left", "LoginSessionView.stay"}
#: endpoints that add one: open to a user who must have one and has none yet, else after a fresh proof
TO_ADD_ONE = {f"SecondFactorView.{each}" for each in ("own", "add", "new_key", "add_key")}


def require_second_factor() -> Any:
    """Lead a user who has a second factor to its proof, and one who must have one to adding it."""
    if request.endpoint in BEFORE_SECOND_FACTOR or sessions.current_id() is None or sessions.is_verified():
        return None
    user = current_user
    if not user.is_authenticated:
        return None
    if second_factor.has_one(user):
        page, why = "SecondFactorView.prove", gettext("Confirm that it is you, then try again.")
    elif second_factor.is_demanded(user) and not (user.password_given or request.endpoint in TO_ADD_ONE):
        page, why = "SecondFactorView.add", gettext("Your role needs a second factor.")
    else:
        return None
    if broken.wants_json():
        abort(401, description=why)
    asked = request.full_path if request.method == "GET" else None
    return redirect(url_for(page, next=asked))


def require_fresh_proof() -> Any:
    """Ask a user with a second factor for a code before a grave act, unless one was given a moment ago.

    The pages on which factors are added ask before they open: a new factor counts as a proof.
    """
    adds, grave = request.endpoint in TO_ADD_ONE, request.method == "POST" and _is_grave()
    if not (adds or grave) or sessions.current_id() is None or sessions.is_fresh():
        return None
    if not current_user.is_authenticated or not second_factor.has_one(current_user):
        return None
    if broken.wants_json():
        abort(401, description=gettext("Confirm that it is you, then try again."))
    if adds:
        asked = request.full_path if request.method == "GET" else url_for("SecondFactorView.own")
        return redirect(url_for("SecondFactorView.prove", next=asked))
    return ask_again(current_user)


def _is_grave() -> bool:
    if request.endpoint in ("StaffView.action", "StaffView.action_post"):
        return ((request.view_args or {}).get("name") or request.form.get("action")) in GRAVE_ACTIONS
    return request.endpoint in GRAVE


def _person() -> str:
    if current_user.is_authenticated:
        return f"person {current_user.get_id()}"
    return f"address {get_remote_address()}"


def _address_and_name() -> str:
    return f"{get_remote_address()} {devices.typed_username()}"


def _log_in_failed(response: Response) -> bool:
    return not current_user.is_authenticated
