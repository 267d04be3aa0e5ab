"""Messages about what was done, with a button that undoes it."""

from __future__ import annotations

from collections.abc import Iterable

from flask import flash


def flash_undoable(text: str, url: str, fields: Iterable[tuple[str, str]]) -> None:
    """Show a success message whose button posts ``fields`` to ``url``, which undoes what was done."""
    flash({"text": text, "url": url, "fields": [list(each) for each in fields]}, "success")  # type: ignore[arg-type]
