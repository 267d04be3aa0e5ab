"""Checks of every request: the size of its body, and text that can't be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from flask import abort, current_app, request
from flask_babel import gettext
from flask_login import current_user

_URLENCODED = "application/x-www-form-urlencoded"
_REPLACED = "\ufffd"
"""The replacement character that the framework puts for bytes that are no UTF-8."""


def limit_body() -> None:
    """Answer 413 to a body that is too large; only uploads of logged-in users may be large."""
    settings = current_app.config["SETTINGS"]
    uploads = str(request.endpoint).endswith(".upload") and current_user.is_authenticated
    limit = settings.max_upload_mb << 20 if uploads else settings.max_body_kb << 10
    # One byte more than allowed, because a body of unknown length is silently cut off there when it is read.
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit or (_is_whole() and len(request.get_data()) > limit):
        abort(413)


def _is_whole() -> bool:
    """Return whether the body is read at once; files are read in pieces."""
    return request.is_json or request.mimetype == _URLENCODED


def refuse_odd_text() -> None:
    """Answer 400 to NUL characters, invalid UTF-8 and endlessly nested JSON, anywhere in the request."""
    raw = [request.environ.get("PATH_INFO", "").encode("latin-1"), unquote_to_bytes(request.query_string)]
    if request.mimetype == _URLENCODED:
        raw.append(unquote_to_bytes(request.get_data()))
    if not all(map(_is_text, raw)) or any("\0" in text or _REPLACED in text for text in _form_texts()):
        _refuse()
    if request.is_json and not _is_storable_json():
        _refuse()


def _is_text(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


def _form_texts() -> Iterator[str]:
    for name, value in request.form.items(multi=True):
        yield from (name, value)
    for name, file in request.files.items(multi=True):
        yield from (name, file.filename or "")


def _is_storable_json() -> bool:
    """Return whether JSON has no NUL, no lone surrogate and no endless nesting. What is no JSON passes."""
    try:
        text = json.dumps(request.get_json(silent=True), ensure_ascii=False)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        return False
    return "\\u0000" not in text


def _refuse() -> None:
    abort(400, description=gettext("The request holds a character that can't be stored."))
