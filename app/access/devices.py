"""Browsers that somebody has logged in at: guesses made elsewhere never shut that person out there.

A long-lived signed cookie holds keyed hashes of the user names, nothing that logs anybody in.
"""

from __future__ import annotations

from flask import Response, after_this_request, current_app, request
from flask_limiter.util import get_remote_address
from itsdangerous import BadSignature, URLSafeTimedSerializer

from app.audit.events import known_as

COOKIE = "lead_monitor_device"
DAYS = 365
#: people who share a browser; whoever logged in longest ago is forgotten
MAX_PEOPLE = 20


def typed_name() -> str:
    """What the log-in form says who wants to log in."""
    return request.form.get("username", "")[:128].strip().lower()


def knows_person() -> bool:
    """Whether the person who wants to log in has done so at this browser."""
    return known_as(typed_name()) in _people()


def guessing_at() -> str:
    """Where the passwords are tried: at this browser when it knows the person, else at the address."""
    return request.cookies[COOKIE] if knows_person() else get_remote_address()


def remember_person() -> None:
    """Have this browser know who has just logged in by the form."""
    me = known_as(typed_name())
    people = [me, *(each for each in _people() if each != me)][:MAX_PEOPLE]

    @after_this_request
    def keep(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            _signer().dumps(people),
            max_age=DAYS * 86400,
            path="/login/",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
        return response


def _people() -> list[str]:
    try:
        found: list[str] = _signer().loads(request.cookies.get(COOKIE, ""), max_age=DAYS * 86400)
    except BadSignature:
        return []
    return found


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="known-device")
