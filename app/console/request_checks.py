"""What a request may hold at all: how large its body is, and text that can be stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from flask import abort, current_app, request
from flask_babel import gettext
from flask_login import current_user

_URLENCODED = "application/x-www-form-urlencoded"
_REPLACED = "\ufffd"
"""What the framework makes of bytes that are no UTF-8."""


def limit_body() -> None:
    """Allow a large body to a logged-in person's upload only; answers 413 to a larger one."""
    settings = current_app.config["SETTINGS"]
    uploads = str(request.endpoint).endswith(".upload") and current_user.is_authenticated
    limit = settings.max_upload_mb << 20 if uploads else settings.max_body_kb << 10
    # One more than allowed: read as a whole, a body of unknown length is cut off there in silence.
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit or (_is_whole() and len(request.get_data()) > limit):
        abort(413)


def _is_whole() -> bool:
    """Whether the body is read in one piece; files are read piece by piece."""
    return request.is_json or request.mimetype == _URLENCODED


def refuse_odd_text() -> None:
    """Answer 400 to NUL and to what is no text in UTF-8, wherever it stands, and to JSON without end."""
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
    """Whether the body has neither NUL nor half a character in a text, and an end; what is no JSON passes."""
    try:
        text = json.dumps(request.get_json(silent=True), ensure_ascii=False)
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        return False
    return "\\u0000" not in text


def _refuse() -> None:
    abort(400, description=gettext("The request holds a character that can't be stored."))
