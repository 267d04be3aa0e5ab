"""Requests for approval as HTML."""

from __future__ import annotations

from typing import Any

from flask_babel import get_locale
from markupsafe import Markup

from app.approvals import kind_named
from app.console.access import may, view_of_table
from app.console.addresses import address_of
from app.console.formats import changes_markup
from app.errors import DomainError
from app.models import Approval


def changes_table(approval: Approval) -> Markup:
    """Return the changes of a request, as they were when it was submitted."""
    return changes_markup(approval.changes.get(str(get_locale()), []) or approval.changes.get("zh", []))


def subject_link(approval: Approval) -> Any:
    """Return the subject's name, as a link for users who may open its page."""
    try:
        opens = kind_named(approval.kind).opens(approval.subject_id)
    except DomainError:
        return approval.title
    view = view_of_table(opens["table"])
    if view is None or not may("can_show", type(view).__name__):
        return approval.title
    return Markup("<a href='{}'>{}</a>").format(address_of(opens), approval.title)
