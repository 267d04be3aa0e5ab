"""Addresses of pointers (app/lib/pointers.py), within requests and outside, for example in mails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from app.console import urls
from app.console.access import view_of_table

#: page name of a pointer → endpoint
_PAGES = {
    "my_work": "MyWorkView.list",
    "my_profile": "StaffView.userinfo",
    "reminder_choice": "ReminderChoiceView.this_form_get",
}


def address_of(pointer: Mapping[str, Any] | None) -> str:
    """Return the path of a pointer, empty for no pointer and for a page that no longer exists."""
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
    # url_for needs a request or a server name.
    return current_app.url_map.bind("").build(endpoint, values)
