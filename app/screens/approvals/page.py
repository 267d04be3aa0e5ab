"""Requests for approval as a person sees them."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import get_locale
from markupsafe import Markup

from app.approvals import kind_named
from app.console.access import may
from app.console.formats import changes_markup
from app.errors import DomainError
from app.models import Approval


def changes_table(approval: Approval) -> Markup:
    """What approving would change, as it was when it was asked for."""
    return changes_markup(approval.changes.get(str(get_locale()), []) or approval.changes.get("zh", []))


def subject_link(approval: Approval) -> Any:
    """The subject's name, as a link to its own page for who may open it."""
    try:
        endpoint, values = kind_named(approval.kind).address(approval.subject_id)
    except DomainError:
        return approval.title
    if not may("can_show", endpoint.split(".")[0]):
        return approval.title
    return Markup("<a href='{}'>{}</a>").format(url_for(endpoint, **values), approval.title)
