"""The time line of what a customer bought: outcomes as they were told, with their corrections."""

from __future__ import annotations

from collections.abc import Iterator

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import labels
from app.console.access import may
from app.extensions import db
from app.lib.amounts import yuan
from app.models import Lead, Outcome, OutcomeFormer
from app.screens.timeline.entries import Entry, Span, newest_by_date


def outcomes(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield outcomes on their dates as they were last told, or as they had been told by ``known_on``."""
    told = select(Outcome).where(Outcome.lead_id == lead.id).options(joinedload(Outcome.product))
    if span.known_before is not None:
        told = told.where(Outcome.told_at < span.known_before)
        yield from _since_corrected(lead, span)
    for (row,) in newest_by_date(told, Outcome.on_date, span):
        yield _entry(row, row.id, [_before(each) for each in _formers(row)])


def _since_corrected(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield what had been told by then and was corrected later."""
    former = OutcomeFormer
    query = select(former).where(former.lead_id == lead.id).options(joinedload(former.product))
    then = query.where(former.told_at < span.known_before, former.corrected_at >= span.known_before)
    for (row,) in newest_by_date(then, former.on_date, span):
        yield _entry(row, row.current_id, [])


def _formers(row: Outcome) -> list[OutcomeFormer]:
    """Return what was told before the last correction, newest first."""
    if not row.corrections:
        return []
    query = select(OutcomeFormer).where(OutcomeFormer.current_id == row.id).order_by(OutcomeFormer.id.desc())
    return list(db.session.scalars(query))


def _entry(row: Outcome | OutcomeFormer, pk: int, corrected: list[tuple[str, str]]) -> Entry:
    margin = [(_("Margin"), yuan(row.margin))] if row.margin is not None else []
    return Entry(
        day=row.on_date,
        title=row.product.name,
        said=yuan(row.amount),
        lines=[*margin, *corrected],
        url=url_for("OutcomeView.show", pk=pk) if may("can_show", "OutcomeView") else "",
        note=_("delivered %(time)s", time=f"{labels.local(row.told_at):%Y-%m-%d %H:%M}"),
        tone="good",
        place=4,
    )


def _before(row: OutcomeFormer) -> tuple[str, str]:
    until = f"{labels.local(row.corrected_at):%Y-%m-%d %H:%M}"
    said = _(
        "%(product)s, %(day)s, %(amount)s", product=row.product.name, day=row.on_date, amount=yuan(row.amount)
    )
    return _("Until %(time)s", time=until), said
