"""Requests for approval as a person sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from markupsafe import Markup, escape

from app.approvals import kind_named
from app.errors import DomainError
from app.models import Approval
from app.pages.access import may


def changes_table(approval: Approval) -> Markup:
    """What approving would change, as it was when it was asked for."""
    return changes_markup(approval.changes.get(str(get_locale()), []) or approval.changes.get("zh", []))


def changes_markup(rows: Sequence[Sequence[str]]) -> Markup:
    """Differences as a table of what, now, then."""
    if not rows:
        return escape(_("Nothing differs from what is in force."))
    head = Markup("<tr><th>{}</th><th>{}</th><th>{}</th></tr>").format(_("What"), _("Now"), _("Then"))
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>").format(
            what, _side(old, "del"), _side(new, "ins")
        )
        for what, old, new in rows
    )
    return Markup("<table class='changes'><thead>{}</thead><tbody>{}</tbody></table>").format(head, body)


def _side(text: str, tag: str) -> Markup:
    if not text:
        return Markup("<span class='none'>—</span>")
    return (Markup("<del>{}</del>") if tag == "del" else Markup("<ins>{}</ins>")).format(text)


def subject_link(approval: Approval) -> Any:
    """The subject's name, as a link to its own page for who may open it."""
    try:
        endpoint, values = kind_named(approval.kind).address(approval.subject_id)
    except DomainError:
        return approval.title
    if not may("can_show", endpoint.split(".")[0]):
        return approval.title
    return Markup("<a href='{}'>{}</a>").format(url_for(endpoint, **values), approval.title)
