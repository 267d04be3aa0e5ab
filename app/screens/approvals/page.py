"""Requests for approval as HTML."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import render_template
from flask_babel import get_locale
from markupsafe import Markup

from app.approvals import kind_named
from app.console.access import may, view_of_table
from app.console.addresses import address_of
from app.console.formats import changes_markup
from app.errors import DomainError
from app.lib.clock import today
from app.models import Approval
from app.rules import approval


def changes_table(request: Approval) -> Markup:
    """Return the changes of a request, as they were when it was submitted."""
    return changes_markup(request.changes.get(str(get_locale()), []) or request.changes.get("zh", []))


def turnover_table(version_id: int) -> str:
    """Return a table of the leads that a rule version meets and those of the version before it."""
    try:
        version = approval.version_of(version_id)
        turnover = approval.turnover(version_id, today() - dt.timedelta(days=1))
    except DomainError as error:
        return render_template("approvals/turnover.html", problem=error.text())
    before = approval.compared_with(version)
    return render_template("approvals/turnover.html", turnover=turnover, before=before, after=version)


def subject_link(request: Approval) -> Any:
    """Return the subject's name, as a link for users who may open its page."""
    try:
        opens = kind_named(request.kind).opens(request.subject_id)
    except DomainError:
        return request.title
    view = view_of_table(opens["table"])
    if view is None or not may("can_show", type(view).__name__):
        return request.title
    return Markup("<a href='{}'>{}</a>").format(address_of(opens), request.title)
