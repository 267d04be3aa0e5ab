"""Do-not-disturb entries as text and HTML, and the messages about their removal."""

from __future__ import annotations

from typing import Any

from flask import flash, g
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import or_, select

from app import labels
from app.access.people import name_of
from app.access.scope import leads_visible_to
from app.console import formats, table
from app.console.filters import ChoiceFilter
from app.errors import DomainError, FieldError
from app.extensions import db
from app.leads import suppression
from app.lib.clock import today
from app.models import Approval, Lead, Suppression

STATE = {
    "in_force": lazy_gettext("On the list"),
    "expired": lazy_gettext("Expired"),
    "removed": lazy_gettext("Taken off"),
}
REASON = labels.SUPPRESSION_REASON
_MAX_LEADS = 50


class InState(ChoiceFilter):
    """Entries by state: on the list, expired or removed."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the states."""
        return [(code, str(word)) for code, word in STATE.items()]


def _state(entry: Suppression) -> str:
    if entry.removed_at is not None:
        return "expired" if entry.removed_by == suppression.SYSTEM else "removed"
    return "expired" if entry.expires_on is not None and entry.expires_on < today() else "in_force"


def state(entry: Suppression) -> Any:
    """Return the state of the entry as a tag."""
    return formats.tag(STATE, "suppression")(_state(entry))


def kind(entry: Suppression) -> str:
    """Return whether the entry names a phone or a person."""
    return _("Phone") if entry.phone_index else _("Individual")


def who(entry: Suppression) -> str:
    """Return the masked phone, or that the entry means a person, with the code that stands for them."""
    return entry.shown if entry.phone_index else f"{kind(entry)} {entry.shown}"


def why_removed(entry: Suppression) -> str:
    """Return the reason for removal, translated when the product gave it."""
    reason = entry.removal_reason or ""
    words = {
        suppression.EXPIRED: str(STATE["expired"]),
        suppression.TAKEN_BACK: _("The result that added it was taken back"),
    }
    return words.get(reason, reason)


def leads(entry: Suppression) -> Any:
    """Return links to the leads that match the entry, within the user's row scope."""
    matches = or_(Lead.phone_index == entry.phone_index, Lead.id_hash == entry.id_hash)
    query = select(Lead).where(matches, leads_visible_to(g.user)).order_by(Lead.id).limit(_MAX_LEADS)
    return labels.joined(table.related(lead) for lead in db.session.scalars(query))


def of_lead(lead: Lead) -> Any:
    """Return the entries in force for a lead: reason, kind, last day and creator."""
    entries = suppression.entries_of(db.session, lead, today())
    return Markup("<br>").join(_line(entry) for entry in entries)


def _line(entry: Suppression) -> str:
    until = _("until %(day)s", day=entry.expires_on.isoformat()) if entry.expires_on else _("no end date")
    return _(
        "%(reason)s (%(kind)s, since %(since)s, %(until)s, by %(who)s)",
        reason=labels.word(REASON, entry.reason),
        kind=kind(entry),
        since=labels.local(entry.created_at).date().isoformat(),
        until=until,
        who=name_of(entry.created_by),
    )


def flash_removal(entry: Suppression, approval: Approval | None) -> None:
    """Tell the user whether the entry was removed or waits for approval."""
    if approval is not None:
        flash(_("%(item)s has been submitted; another person must approve it.", item=who(entry)), "success")
        return
    flash(
        _(
            "%(shown)s may be contacted again. Nobody else can approve this, so it took effect "
            "without a second person and was recorded as such.",
            shown=who(entry),
        ),
        "warning",
    )


def add_form_error(form: Any, error: DomainError) -> None:
    """Show an error beside its field, or at the top of the page."""
    if isinstance(error, FieldError) and error.field in form:
        form[error.field].errors = [*form[error.field].errors, error.text()]
    else:
        flash(error.text(), "danger")
