"""Known browsers: users are not locked out at a browser they have used, whatever is guessed elsewhere.

A long-lived signed cookie holds keyed hashes of user names. It logs nobody in.
"""

from __future__ import annotations

from flask import Response, after_this_request, current_app, request
from flask_limiter.util import get_remote_address
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import exists, insert

from app.audit.events import pseudonym
from app.extensions import db
from app.models import LoginDevice

COOKIE = "lead_monitor_device"
DAYS = 365
#: users remembered by one browser; the one who logged in longest ago is forgotten first
MAX_USERS = 20


def typed_username() -> str:
    """Return the user name typed into the log-in form."""
    return request.form.get("username", "")[:128].strip().lower()


def is_known_user() -> bool:
    """Return whether the user who is logging in has logged in at this browser before."""
    return pseudonym(typed_username()) in _users()


def rate_limit_key() -> str:
    """Return what log-in attempts are counted by: the browser when it knows the user, else the address."""
    return request.cookies[COOKIE] if is_known_user() else get_remote_address()


def remember_user(user_id: int) -> None:
    """Add the user who has just logged in through the form to this browser's known users.

    A browser that didn't know them is noted in the database, where a reminder finds it.
    """
    if not is_known_user():
        _note(user_id)
    user = pseudonym(typed_username())
    users = [user, *(each for each in _users() if each != user)][:MAX_USERS]

    @after_this_request
    def keep(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            _signer().dumps(users),
            max_age=DAYS * 86400,
            path="/login/",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Strict",
        )
        return response


def _note(user_id: int) -> None:
    values = {
        "user_id": user_id,
        "address": (request.remote_addr or "")[:64],
        "browser": request.user_agent.string[:256],
        "is_first": ~exists().where(LoginDevice.user_id == user_id),
    }
    with db.engine.begin() as connection:
        connection.execute(insert(LoginDevice).values(values))


def _users() -> list[str]:
    try:
        users: list[str] = _signer().loads(request.cookies.get(COOKIE, ""), max_age=DAYS * 86400)
    except BadSignature:
        return []
    return users


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="known-device")
