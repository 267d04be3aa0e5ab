"""Addresses of what stored rows point to (app/lib/pointers.py), inside a request and outside, as in mails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from app.console import urls
from app.console.access import view_of_table

#: page of a pointer → endpoint
_PAGES = {"my_work": "MyWorkView.list", "reminder_choice": "ReminderChoiceView.this_form_get"}


def address_of(pointer: Mapping[str, Any] | None) -> str:
    """Return the path that a pointer leads to, empty for none and for what this version has no page of."""
    if not pointer:
        return ""
    if "page" in pointer:
        endpoint = _PAGES.get(pointer["page"])
        return _path(endpoint, **pointer["arguments"]) if endpoint else ""
    view = view_of_table(pointer["table"])
    if view is None:
        return ""
    if "id" in pointer:
        return _path(f"{view.endpoint}.show", pk=pointer["id"])
    return urls.filtered(_path(f"{view.endpoint}.list"), view.model, pointer["filters"])


def _path(endpoint: str, **values: Any) -> str:
    # Flask builds addresses within requests only, unless it is told one host's name.
    return current_app.url_map.bind("").build(endpoint, values)
