"""双因素验证: authenticator apps and recovery codes of the user, and the page that asks for a code."""

from __future__ import annotations

import base64
from typing import Any, ClassVar, Literal

import segno
from cryptography.fernet import InvalidToken
from flask import abort, current_app, flash, g, redirect, render_template, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext as _
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from redis.exceptions import RedisError

from app.access import second_factor, security_keys
from app.audit.events import event
from app.console import formats, sessions
from app.console.urls import own_path
from app.errors import DomainError
from app.extensions import db
from app.lib.row_id import row_id
from app.lib.vault import vault
from app.models import SecondFactor, Staff

#: the field of a code that is posted along with an act
CODE = "second_factor_code"
#: where the secret of an app that is being added stands in the session, sealed
DRAFT = "second_factor_draft"
FAILURES = parse("10 per 10 minutes")
#: where the challenge to a security key stands in the session
CHALLENGE = "security_key_challenge"
MAX_NAME = 64
#: counts in this process while Redis is away
_WITHOUT_REDIS = FixedWindowRateLimiter(MemoryStorage())


class SecondFactorView(BaseView):  # type: ignore[misc]
    """The user's own second factor."""

    route_base = "/secondfactor"
    default_view = "own"
    base_permissions: ClassVar[list[str]] = []

    @expose("/", methods=["GET"])
    def own(self) -> Any:
        """Show the user's authenticator apps and how many recovery codes are left."""
        user = _user()
        return self.render_template(
            "staff/second_factor.html",
            title=_("Second factor"),
            factors=second_factor.factors(user),
            left=second_factor.left(user),
            keys=security_keys.place(request.host_url) is not None,
            when=formats.when,
        )

    @expose("/add", methods=["GET", "POST"])
    def add(self) -> Any:
        """Show the QR code of a new secret, or add the authenticator app that shows its code."""
        user, wrong = _user(), ""
        name = request.form.get("name", "").strip()[:MAX_NAME] or _("My phone")
        draft = _draft(user)
        if request.method == "POST":
            try:
                codes = second_factor.add(user, name, draft.secret, request.form.get(CODE, ""))
            except DomainError as error:
                db.session.rollback()
                wrong = error.text()
            else:
                return self._added(user, name, codes)
        return self.render_template(
            "staff/second_factor_add.html",
            title=_("Add an authenticator app"),
            name=name,
            wrong=wrong,
            secret=" ".join(draft.secret[at : at + 4] for at in range(0, len(draft.secret), 4)),
            picture=segno.make(draft.address, error="m").svg_data_uri(scale=5, border=2, light="white"),
            demanded=second_factor.is_demanded(user) and not second_factor.has_one(user),
        )

    @expose("/key/new", methods=["POST"])
    def new_key(self) -> Any:
        """Return the browser's options for a new security key."""
        at = _place()
        options, challenge = security_keys.to_add(_user(), at)
        return _challenge(options, challenge)

    @expose("/key/add", methods=["POST"])
    def add_key(self) -> Any:
        """Add the security key that answered."""
        user, at = _user(), _place()
        name = request.form.get("name", "").strip()[:MAX_NAME] or _("Security key")
        try:
            security_keys.add(user, name, at, _asked(), request.form.get("answer", ""))
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return redirect(url_for(".own"))
        return self._added(user, name, second_factor.first_recovery_codes(user))

    @expose("/key/ask", methods=["POST"])
    def ask_key(self) -> Any:
        """Return the browser's options for using a security key."""
        asked = security_keys.to_prove(_user(), _place())
        return _challenge(*asked) if asked else abort(404)

    @expose("/key/prove", methods=["POST"])
    def prove_key(self) -> Any:
        """Note in the session that a security key of the user answered."""
        user, at = _user(), _place()
        if not security_keys.is_right(user, at, _asked(), request.form.get("answer", "")):
            event("second_factor_failed", Staff.__tablename__, user.id, user.username)
            abort(403, description=_("The security key did not answer as expected. Try again."))
        sessions.verify()
        event("second_factor_proven", Staff.__tablename__, user.id, user.username)
        return "", 204

    def _added(self, user: Staff, name: str, codes: list[str]) -> Any:
        db.session.commit()
        session.pop(DRAFT, None)
        sessions.verify()
        event("second_factor_added", Staff.__tablename__, user.id, user.username, factor=name)
        if not codes:
            flash(_("%(name)s was added.", name=name), "success")
            return redirect(url_for(".own"))
        return self._codes(codes)

    def _codes(self, codes: list[str]) -> Any:
        page = self.render_template(
            "staff/recovery_codes.html", title=_("Recovery codes"), codes=codes, next=url_for(".own")
        )
        return page, {"Cache-Control": "no-store"}

    @expose("/prove", methods=["GET", "POST"])
    def prove(self) -> Any:
        """Ask for a code after the log-in or before a grave page, and go on where the user wanted to go."""
        user = _user()
        goes_on = own_path(request.args.get("next")) or url_for("HomeView.index")
        if sessions.is_fresh() or not second_factor.has_one(user):
            return redirect(goes_on)
        wrong = ""
        if request.method == "POST":
            wrong = prove(user, request.form.get(CODE, ""))
            if not wrong:
                return redirect(goes_on)
        return _page(user, wrong, [])

    @expose("/recovery", methods=["POST"])
    def recovery(self) -> Any:
        """Replace the recovery codes, and show the new ones once."""
        user = _user()
        if not second_factor.has_one(user):
            abort(404)
        codes = second_factor.new_recovery_codes(user)
        db.session.commit()
        event("recovery_codes_made", Staff.__tablename__, user.id, user.username)
        return self._codes(codes)

    @expose("/remove/<pk>", methods=["POST"])
    def remove(self, pk: str) -> Any:
        """Take one of the user's authenticator apps away."""
        user, key = _user(), row_id(pk)
        factor = db.session.get(SecondFactor, key) if key else None
        if factor is None or factor.user_id != user.id:
            abort(404)
        name = factor.name
        second_factor.remove(user, [factor.id])
        db.session.commit()
        event("second_factor_removed", Staff.__tablename__, user.id, user.username, factor=name)
        flash(_("%(name)s was removed.", name=name), "success")
        return redirect(url_for(".own"))


def prove(user: Staff, code: str) -> str:
    """Note in the session that the code is right. Return why it isn't taken, empty when it is."""
    if not _count("test", user):
        return _("Too many wrong codes. Please wait some minutes and try again.")
    if second_factor.is_right(user, code):
        sessions.verify()
        event("second_factor_proven", Staff.__tablename__, user.id, user.username)
        return ""
    _count("hit", user)
    event("second_factor_failed", Staff.__tablename__, user.id, user.username)
    return _("This code is wrong or was used before. Wait for the next one.")


def _count(act: Literal["test", "hit"], user: Staff) -> bool:
    """Count a wrong code of the user, or test whether there may be another one."""
    limiter = current_app.appbuilder.sm.limiter  # type: ignore[attr-defined]
    if not limiter.enabled:
        return True
    try:
        return bool(getattr(limiter.limiter, act)(FAILURES, "second factor", str(user.id)))
    except RedisError:
        return bool(getattr(_WITHOUT_REDIS, act)(FAILURES, "second factor", str(user.id)))


def ask_again(user: Staff) -> Any:
    """Ask for a code before a grave act, whose form is posted again with it; None when it was right."""
    wrong = ""
    if CODE in request.form:
        wrong = prove(user, request.form[CODE])
        if not wrong:
            return None
    typed = request.form.items(multi=True)
    fields = [(name, value) for name, value in typed if name not in ("csrf_token", CODE)]
    return _page(user, wrong, fields, grave=True)


def _page(user: Staff, wrong: str, fields: list[tuple[str, str]], *, grave: bool = False) -> str:
    at = security_keys.place(request.host_url)
    keys = at is not None and security_keys.has_key(user)
    given = {"wrong": wrong, "fields": fields, "grave": grave, "keys": keys}
    return render_template("staff/prove.html", action=request.full_path, **given)


def _place() -> security_keys.Place:
    return security_keys.place(request.host_url) or abort(404)


def _challenge(options: str, challenge: bytes) -> Any:
    """Keep a challenge until its answer, and return the options to the script."""
    session[CHALLENGE] = base64.b64encode(challenge).decode()
    return current_app.response_class(options, mimetype="application/json")


def _asked() -> bytes:
    """Return the challenge that was asked, which is good for one answer."""
    return base64.b64decode(session.pop(CHALLENGE, ""))


def _user() -> Staff:
    if not g.user or not g.user.is_authenticated or sessions.current_id() is None:
        abort(401)
    user: Staff = g.user
    return user


def _draft(user: Staff) -> second_factor.Draft:
    """Return the secret that the user is adding; a reloaded page shows the same one."""
    sealer = vault(current_app.config["SETTINGS"], second_factor.PURPOSE)
    if request.method == "POST" and DRAFT in session:
        try:
            return second_factor.again(user, sealer.decrypt(session[DRAFT].encode()).decode())
        except InvalidToken:
            pass
    made = second_factor.draft(user)
    session[DRAFT] = sealer.encrypt(made.secret.encode()).decode()
    return made
