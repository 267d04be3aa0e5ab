"""Addresses of the page that is shown, changed in one respect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit

from flask import request


def here(
    drop: Iterable[str] = (), changed: Mapping[str, str] | None = None, *, page_one: bool = False
) -> str:
    """This address with some query arguments dropped or changed; ``page_one`` forgets the list page."""
    dropped, changed = set(drop), changed or {}
    kept = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if value
        and name not in dropped
        and name not in changed
        and not (page_one and name.startswith("page_"))
    ]
    query = urlencode(kept + list(changed.items()))
    return f"{request.path}?{query}" if query else request.path


def own_path(url: str | None) -> str | None:
    """The path and query of an address of this site, None for any other."""
    if not url:
        return None
    parts = urlsplit(url)
    # A browser reads a backslash as a slash, so that one could lead to another site.
    ours = parts.netloc in ("", request.host) and parts.path.startswith("/") and "\\" not in url
    if not ours or parts.path.startswith("//"):
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")
