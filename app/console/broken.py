"""The page for errors of 500 and above. It needs no session, user, database or Redis."""

from __future__ import annotations

import logging
from contextlib import suppress

from flask import Response, current_app, g, jsonify, make_response, request, session
from flask_babel import force_locale
from flask_babel import gettext as _
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.console import error_pages
from app.console.bounds import is_away, is_busy
from app.extensions import db

#: the language of the last page, for error pages that can't read the session
LANGUAGE_COOKIE = "lead_monitor_language"
LANGUAGE_SECONDS = 365 * 86400
RETRY_SECONDS = 10

log = logging.getLogger(__name__)


def page(error: Exception, code: int) -> Response:
    """Return the page or JSON for an error; the status is 503 when a server is busy or can't be reached."""
    error = getattr(error, "original_exception", None) or error
    with suppress(SQLAlchemyError):
        db.session.rollback()
    busy, request_id = is_busy(error), g.get("request_id")
    if busy or is_unavailable(error):
        code = 503
        log.warning("request %s: %s", request_id, type(getattr(error, "orig", None) or error).__name__)
    else:
        log.exception("request %s failed", request_id)
    with force_locale(language()):
        fault = error_pages.busy() if busy else error_pages.fault(code)
        response = _json(fault) if wants_json() else _html(fault, code)
    response.status_code = code
    if code == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def is_unavailable(error: BaseException | None) -> bool:
    """Return whether a server that we need did not answer in time."""
    return is_busy(error) or is_away(error) or isinstance(error, RedisError)


def wants_json() -> bool:
    """Return whether the client is a program: of the API, or a script of a page."""
    return (
        request.path.startswith("/api/")
        or request.accept_mimetypes.best == "application/json"
        or request.headers.get("Sec-Fetch-Dest") == "empty"
    )


def language() -> str:
    """Return the language of the last page, else the browser's, else the installation's."""
    known = current_app.config["LANGUAGES"]
    last = request.cookies.get(LANGUAGE_COOKIE, "")
    if last in known:
        return last
    default: str = current_app.config["BABEL_DEFAULT_LOCALE"]
    return request.accept_languages.best_match([default, *known], default) or default


def keep_language(response: Response) -> None:
    """Store the session's language in a cookie, unless the browser has it already."""
    locale = session.get("locale")
    if response.status_code < 500 and locale and request.cookies.get(LANGUAGE_COOKIE) != locale:
        response.set_cookie(
            LANGUAGE_COOKIE,
            locale,
            max_age=LANGUAGE_SECONDS,
            httponly=True,
            secure=current_app.config["SETTINGS"].https_only,
            samesite="Strict",
        )


def _json(fault: error_pages.Fault) -> Response:
    message = _("%(title)s. %(advice)s", title=fault.title, advice=fault.advice)
    return jsonify(message=message, request_id=g.get("request_id"))


def _html(fault: error_pages.Fault, code: int) -> Response:
    # Not Flask's render_template, whose context processors load the user from the database.
    template = current_app.jinja_env.get_template("broken.html")
    # One slash only: a browser takes what follows two for the name of another host.
    again = f"/{request.full_path.lstrip('/')}".removesuffix("?") if request.method == "GET" else "/"
    return make_response(
        template.render(
            fault=fault,
            nonce=getattr(request, "csp_nonce", ""),
            language="zh-CN" if language() == "zh" else "en",
            product=_("Lead Monitor"),
            number=_("Error %(code)s", code=code),
            help=_(
                "Request %(id)s. Give this number to your administrator when you ask for help.",
                id=g.get("request_id"),
            ),
            start=_("Go to the start page"),
            again=again,
        )
    )
