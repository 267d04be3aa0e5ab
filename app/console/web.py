"""Request hooks, security headers, static files, error pages and health checks."""

from __future__ import annotations

import logging
import math
import time
import uuid
from typing import Any

import prison
from flask import Flask, Response, abort, current_app, g, jsonify, render_template, request
from flask_babel import gettext
from flask_talisman import Talisman
from flask_wtf.csrf import CSRFError
from sqlalchemy import text
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import BadRequest, HTTPException, TooManyRequests
from werkzeug.http import parse_options_header
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from app.access.refusals import log_denied
from app.audit.events import event
from app.console import bounds, broken, error_pages, frame, glossary, sessions
from app.console.arguments import check_list_arguments
from app.console.request_checks import limit_body, refuse_odd_text
from app.extensions import db
from app.leads.reasons import mask_numbers
from app.lib.row_id import RowIdConverter

CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}

#: what no page needs, so that no script that gets into one can ask for it
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
        *("magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
    )
)
MAX_QUERY = 4000
#: how long /readyz waits for a connection that is open, and again for a new one
PROBE_SECONDS = 2

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Install the request hooks, headers, error pages and probes."""
    settings = app.config["SETTINGS"]
    app.url_map.converters["row_id"] = RowIdConverter
    talisman = Talisman(
        app,
        force_https=settings.https_only,
        strict_transport_security=settings.https_only,
        session_cookie_secure=settings.https_only,
        session_cookie_samesite="Lax",
        content_security_policy=CONTENT_SECURITY_POLICY,
        content_security_policy_nonce_in=["script-src", "style-src"],
        permissions_policy=PERMISSIONS,
        frame_options="DENY",
        referrer_policy="same-origin",
    )
    static = WhiteNoise(app.wsgi_app, root=frame.STATIC, prefix="/static/", max_age=3600)
    app.wsgi_app = static  # type: ignore[method-assign]
    if settings.production:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    app.before_request(_set_request_id)
    sessions.init_app(app)
    app.before_request(limit_body)
    app.before_request(refuse_odd_text)
    app.before_request(check_list_arguments)
    app.before_request(_check_api_query)
    app.after_request(_finish)
    app.register_error_handler(Exception, _error_page)
    # Probes come from inside, by plain HTTP.
    allow_http = talisman(force_https=False)
    app.add_url_rule("/healthz", "healthz", allow_http(_alive))
    app.add_url_rule("/readyz", "readyz", allow_http(_ready))
    frame.init_app(app)
    glossary.init_app(app)


def _set_request_id() -> None:
    g.request_id = uuid.uuid4().hex[:16]


def _check_api_query() -> None:
    """Answer 400 to an API query argument that can't be parsed, instead of a server error."""
    text = request.args.get("q")
    if text is None or not request.path.startswith("/api/"):
        return
    try:
        query = prison.loads(text) if len(text) <= MAX_QUERY else None
    except (ValueError, RecursionError, prison.decoder.ParserException):
        query = None
    pages = [query.get(name, 0) for name in ("page", "page_size")] if isinstance(query, dict) else [-1]
    if not all(isinstance(page, int) and 0 <= page < 10**9 for page in pages):
        abort(400, description=gettext("The argument q can't be read."))


def _finish(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.get("request_id", "")
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if g.get("actor") is not None and response.status_code < 500:
        _log_response(response)
    broken.keep_language(response)
    if request.endpoint != "static" and not request.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _log_response(response: Response) -> None:
    """Log refusals and downloads, except of templates, which hold no data."""
    page = f"{request.method} {mask_numbers(request.path)}"
    log_denied(page)
    if response.status_code == 403:
        event("denied", "page", title=page)
    sent = parse_options_header(response.headers.get("Content-Disposition"))
    if response.status_code == 200 and sent[0] == "attachment" and not request.path.endswith("/template"):
        event("download", "page", title=page, file=mask_numbers(sent[1].get("filename", "")))


def _alive() -> Any:
    """Answer that the process runs, whatever the state of the database."""
    return jsonify(status="ok")


def _ready() -> Any:
    """Answer within seconds whether the database can be reached, so that pages can be served."""
    try:
        with bounds.answer_within(PROBE_SECONDS):
            db.session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        db.session.rollback()
        log.warning("not ready: %s", type(error).__name__)
        return jsonify(status="the database does not answer"), 503
    return jsonify(status="ok")


def _error_page(error: Exception) -> Any:
    if isinstance(error, DataError | RecursionError):
        error = _unstorable(error)
    code = error.code if isinstance(error, HTTPException) and error.code else 500
    if code < 400 or (isinstance(error, HTTPException) and error.response is not None):
        return error
    if code >= 500:
        return broken.page(error, code)
    description = error.description if isinstance(error, HTTPException) and _is_ours(error) else None
    headers = _retry_after() if code == TooManyRequests.code else {}
    if broken.wants_json():
        return jsonify(message=description or _name(error), request_id=g.get("request_id")), code, headers
    fault = error_pages.fault(code, csrf=isinstance(error, CSRFError))
    page = render_template(
        "error.html",
        layout="frame.html" if g.get("user") else "gate.html",
        code=code,
        description=description,
        fault=fault,
        request_id=g.get("request_id"),
    )
    return page, code, headers


def _retry_after() -> dict[str, str]:
    """Return the header that says in how many seconds the limit lets a request through again."""
    limit = current_app.appbuilder.sm.limiter.current_limit  # type: ignore[attr-defined]
    return {"Retry-After": str(max(1, math.ceil(limit.reset_at - time.time())))} if limit else {}


def _unstorable(error: Exception) -> BadRequest:
    """Return the error for values that the database or a parser can't handle, such as huge numbers."""
    db.session.rollback()
    log.warning("request %s was refused: %s", g.get("request_id"), type(error).__name__)
    return BadRequest(gettext("The request holds a value that can't be stored."))


def _is_ours(error: HTTPException) -> bool:
    """Return whether the description is ours, not the library's standard text in English."""
    return isinstance(error, CSRFError) is False and error.description != type(error).description


def _name(error: Exception) -> str:
    return error.name if isinstance(error, HTTPException) else "Internal Server Error"
