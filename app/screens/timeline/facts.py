"""The time line of what is known of a customer: facts as they changed."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.console import formats
from app.console.access import may
from app.extensions import db
from app.facts.lead import KnownFact, stated_facts
from app.lib.clock import today
from app.models import ImportBatch, Lead
from app.screens.facts import words
from app.screens.timeline.entries import Entry, Span
from app.segments import sentence

#: changes of a date that are not folded
SHOWN = 6


def facts(lead: Lead, span: Span) -> Iterator[Entry]:
    """Yield by date and import which facts changed, as they could be known."""
    stated = stated_facts(lead.id, span.known_on or today())
    groups: dict[tuple[dt.date, int], list[tuple[Any, Any]]] = defaultdict(list)
    known: dict[tuple[dt.date, int], dt.date] = {}
    for each, before in _changes(stated):
        key = (each.as_of, each.batch)
        groups[key].append(_line(each, before))
        known[key] = each.known_on
    within = [key for key in groups if span.first <= key[0] <= span.last]
    batches = _batches({batch for _day, batch in within})
    for key in within:
        yield _entry(*key, groups[key], known[key], batches.get(key[1]))


def _changes(stated: list[KnownFact]) -> Iterator[tuple[KnownFact, KnownFact | None]]:
    """Yield each value that differs from the one before it, with that one."""
    newest: dict[str, KnownFact] = {}
    for each in stated:
        before = newest.get(each.fact.code)
        newest[each.fact.code] = each
        if before is None or before.value != each.value:
            yield each, before


def _line(each: KnownFact, before: KnownFact | None) -> tuple[Any, Any]:
    name = sentence.name_of(each.fact)
    if not words.may_see(each.fact):
        return name, _("not shown (sensitive)")
    new = words.value_text(each.fact, each.value)
    return name, new if before is None else formats.old_to_new(words.value_text(each.fact, before.value), new)


def _entry(
    day: dt.date, batch: int, lines: list[tuple[Any, Any]], known_on: dt.date, source: ImportBatch | None
) -> Entry:
    file = _("Import #%(id)s: %(file)s", id=batch, file=source.file_name) if source else ""
    backfill = bool(source and source.options.get("backfill"))
    notes = [
        _("counted as known on %(day)s (backfill)", day=known_on) if backfill else "",
        _("known since %(day)s", day=known_on) if known_on != day and not backfill else "",
        file,
    ]
    opens = source is not None and may("can_show", "ImportBatchView")
    return Entry(
        day=day,
        title=_("%(n)s changed", n=len(lines)),
        lines=lines[:SHOWN],
        more=lines[SHOWN:],
        url=url_for("ImportBatchView.show", pk=batch) if opens else "",
        by=source.created_by if source else "",
        note=" · ".join(filter(None, notes)),
        place=3,
    )


def _batches(ids: set[int]) -> dict[int, ImportBatch]:
    rows = db.session.scalars(select(ImportBatch).where(ImportBatch.id.in_(ids))) if ids else ()
    return {row.id: row for row in rows}
