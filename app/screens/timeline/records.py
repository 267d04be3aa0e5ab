"""The time line of a customer's record: imports, changes by hand, do-not-disturb, views of the phone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import and_, func, or_, select

from app import labels
from app.audit.history import transactions_of_batches
from app.console import formats
from app.console.access import may
from app.extensions import db
from app.leads import number_limit, suppression
from app.models import Branch, ChangeLog, ImportBatch, Lead, LeadBefore, Reveal, Suppression, Tag
from app.screens.audit import entries as log
from app.screens.leads.page import searched_by
from app.screens.leads.suppression_page import REASON
from app.screens.timeline.entries import Entry, Span, newest, newest_by_date


def imports(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield how the customer came on the list, and what later imports changed."""
    first = lead.batch.finished_at or lead.created_at if lead.batch else lead.created_at
    day = labels.local(first).date()
    if span.first <= day <= span.last:
        yield _created(lead, first)
    # Which values an import gave can't be told from what people changed afterwards.
    changes = _changes_by_import(lead) if span.known_on is None else _values_before_imports(lead)
    moment = func.coalesce(ImportBatch.finished_at, ImportBatch.created_at)
    query = select(LeadBefore.id, ImportBatch, moment.label("at")).join(
        ImportBatch, ImportBatch.id == LeadBefore.batch_id
    )
    for row in newest(query.where(LeadBefore.lead_id == lead.id), moment, span):
        batch = row.ImportBatch
        yield Entry(
            day=labels.local(row.at).date(),
            at=row.at,
            title=_("Changed by an import"),
            said=_("Import #%(id)s: %(file)s", id=batch.id, file=batch.file_name),
            lines=changes[row.id],
            url=_batch_url(batch.id),
            by=batch.created_by,
        )


def _created(lead: Lead, at: dt.datetime) -> Entry:
    batch = lead.batch
    return Entry(
        day=labels.local(at).date(),
        at=at,
        title=_("Added to the lead list"),
        said=_("Import #%(id)s: %(file)s", id=batch.id, file=batch.file_name) if batch else _("By hand"),
        url=_batch_url(batch.id) if batch else "",
        by=batch.created_by if batch else "",
    )


def _batch_url(batch: int) -> str:
    return url_for("ImportBatchView.show", pk=batch) if may("can_show", "ImportBatchView") else ""


def _changes_by_import(lead: Lead) -> dict[int, list[tuple[Any, Any]]]:
    """Return by the id of former values how they differ from the next: label, and old → new value."""
    kept = _before(lead)
    states = [*map(_values, kept), _values(lead)]
    return {
        before.id: [
            (label, formats.old_to_new(old[label], new[label])) for label in old if old[label] != new[label]
        ]
        for before, old, new in zip(kept, states, states[1:], strict=False)
    }


def _values_before_imports(lead: Lead) -> dict[int, list[tuple[Any, Any]]]:
    """Return the former values by their id."""
    return {
        row.id: [
            (_("%(field)s before", field=label), value) for label, value in _values(row).items() if value
        ]
        for row in _before(lead)
    }


def _before(lead: Lead) -> list[LeadBefore]:
    kept = select(LeadBefore).where(LeadBefore.lead_id == lead.id).order_by(LeadBefore.id)
    return list(db.session.scalars(kept))


def _values(row: Lead | LeadBefore) -> dict[str, str]:
    branch = db.session.get(Branch, row.branch_id) if row.branch_id else None
    return {
        _("Customer name"): row.name,
        _("Phone"): row.phone_masked,
        _("Source channel"): row.source,
        _("Branch"): branch.name if branch else "",
    }


def edits(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield changes by hand as the change log has them, without those of imports."""
    tags = [f"{lead.id},{tag}" for tag in db.session.scalars(select(Tag.id))]
    about = or_(
        and_(
            ChangeLog.object == Lead.__tablename__,
            ChangeLog.object_id == str(lead.id),
            ChangeLog.kind == "update",
        ),
        and_(ChangeLog.object == "lead_tag", ChangeLog.object_id.in_(tags)),
    )
    by_import = transactions_of_batches(lead.id)
    query = select(ChangeLog).where(about, ChangeLog.xid.not_in(by_import))
    for row in newest(query, ChangeLog.time, span):
        yield _edit(row.ChangeLog)


def _edit(entry: ChangeLog) -> Entry:
    titles = {"insert": _("Tag added"), "update": _("Record changed by hand"), "delete": _("Tag removed")}
    named = _("Lead") if entry.object == "lead_tag" else None
    return Entry(
        day=labels.local(entry.time).date(),
        at=entry.time,
        title=titles[entry.kind],
        lines=[line for line in log.changes(entry, short=True) if line[0] != named],
        url=url_for("ChangeLogView.show", pk=entry.id),
        by=entry.actor,
    )


def do_not_disturb(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield when the customer or their present phone came on the do-not-disturb list, and left it."""
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    query = select(Suppression).where(named)
    for (entry,) in newest(query, Suppression.created_at, span):
        yield _listed(entry)
    for (entry,) in newest(query.where(Suppression.removed_at.is_not(None)), Suppression.removed_at, span):
        yield _unlisted(entry, entry.removed_at)
    ended = Suppression.expires_on + 1
    for (entry,) in newest_by_date(query.where(Suppression.removed_at.is_(None)), ended, span):
        yield Entry(day=entry.expires_on + dt.timedelta(days=1), title=_("Do-not-disturb entry expired"))


def _listed(entry: Suppression) -> Entry:
    until = entry.expires_on
    return Entry(
        day=labels.local(entry.created_at).date(),
        at=entry.created_at,
        title=_("Put on the do-not-disturb list"),
        said=labels.word(REASON, entry.reason),
        lines=[
            (_("Applies to"), _("Phone") if entry.phone_index else _("Individual")),
            (_("Last day"), until.isoformat() if until else _("no end date")),
        ],
        url=url_for("SuppressionView.show", pk=entry.id) if may("can_show", "SuppressionView") else "",
        by=entry.created_by,
        tone="bad",
    )


def _unlisted(entry: Suppression, at: dt.datetime) -> Entry:
    expired = entry.removed_by == suppression.SYSTEM
    return Entry(
        day=labels.local(at).date(),
        at=at,
        title=_("Do-not-disturb entry expired") if expired else _("Taken off the do-not-disturb list"),
        said="" if expired else entry.removal_reason or "",
        by="" if expired else entry.removed_by or "",
    )


def reveals(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield who viewed the full phone number, and why, and who searched by a number of theirs."""
    for (row,) in newest(select(Reveal).where(Reveal.lead_id == lead.id), Reveal.revealed_at, span):
        yield Entry(
            day=labels.local(row.revealed_at).date(),
            at=row.revealed_at,
            title=_("Full phone number viewed"),
            said=row.reason,
            by=row.revealed_by,
        )
    for (record,) in newest(number_limit.searches_for(lead), ChangeLog.time, span):
        yield Entry(
            day=labels.local(record.time).date(),
            at=record.time,
            title=_("Found by a full number"),
            said=searched_by(record),
            by=record.actor,
        )
