"""The mark of people on the do-not-disturb list, and the leads whom its entries mean.

Both are loaded at once for all rows that a page has read.
"""

from __future__ import annotations

from typing import Any

from flask import g
from flask_babel import gettext as _
from markupsafe import Markup, escape

from app import labels
from app.access.scope import leads_visible_to
from app.console import table
from app.extensions import db
from app.leads import suppression
from app.lib.clock import today
from app.models import Lead, Suppression

#: leads named in a row of the list; its page names more
FEW = 3


def mark(lead: Lead) -> Markup:
    """Return a tag with reason and since when for a lead who must not be contacted, nothing for others."""
    if not lead.opted_out:
        return Markup("")
    return Markup(
        ' <span class="tag tag-disturb" title="{0}"><span aria-hidden="true">⊘ </span>{1}'
        '<span class="sr">: {0}</span></span>'
    ).format(_("; ").join(why(lead)), _("Do not disturb"))


def named(lead: Lead) -> Markup:
    """Return the name of a lead with the mark."""
    return Markup("{}{}").format(lead.name, mark(lead))


def why(lead: Lead) -> list[str]:
    """Return reason and day of each entry in force for a lead, newest first."""
    return [
        _(
            "%(reason)s, since %(day)s",
            reason=labels.word(labels.SUPPRESSION_REASON, entry.reason),
            day=labels.local(entry.created_at).date().isoformat(),
        )
        for entry in _known("disturb_entries", lead, _entries)
    ]


def leads(entry: Suppression) -> Markup:
    """Return links to the first leads of an entry, masked, within the user's row scope."""
    found = _known("disturb_leads", entry, _leads)
    shown = [_masked(lead) for lead in found[:FEW]]
    if len(found) > FEW:
        shown.append(escape(_("and %(n)s more", n=len(found) - FEW)))
    return Markup("<br>").join(shown)


def _masked(lead: Lead) -> Markup:
    name = f"{lead.name[:1]}**"
    return table.linked(lead, f"{name} {lead.phone_masked}")


def _known(name: str, row: Any, load: Any) -> list[Any]:
    """Return what is known of a row, loaded together with that of all others that the page has read."""
    known: dict[int, list[Any]] = g.setdefault(name, {})
    if row.id not in known:
        rows = [each for each in db.session.identity_map.values() if type(each) is type(row)]
        found = load(rows)
        known.update({each.id: found.get(each.id, []) for each in rows})
    return known[row.id]


def _entries(rows: list[Lead]) -> dict[int, list[Suppression]]:
    return suppression.entries_of_all(db.session, [each for each in rows if each.opted_out], today())


def _leads(rows: list[Suppression]) -> dict[int, list[Lead]]:
    return suppression.leads_of_all(db.session, rows, leads_visible_to(g.user))
