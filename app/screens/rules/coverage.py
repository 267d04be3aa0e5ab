"""Coverage of the rule being edited, streamed as lines of JSON that the editor draws as they arrive.

A line is written several times a second, which is how a browser that went away is noticed: the line can't be
delivered, the server closes the generator, and counting stops. This needs no messages between processes and
works for a closed page as well as for a newer request.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from threading import Lock
from typing import Any

import orjson
from flask import current_app, g, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from app.access.scope import leads_visible_to
from app.console.access import may
from app.errors import DomainError
from app.extensions import db
from app.lib.clock import today
from app.models import Lead
from app.rules import coverage, describe
from app.rules.coverage import LeadSet
from app.rules.definition import RuleDef
from app.rules.versions import active_versions, rule_def
from app.screens.rules import editor

#: The numbers of days that the chart can show.
DAYS = (7, 14, 30)
SAMPLE_SIZE = 6
#: How many leads are looked through for those in the user's row scope.
MAX_CANDIDATES = 2000
#: Seconds between two lines.
LINE_SECONDS = 0.25
#: One count at a time in a process, since it takes all cores and a good part of the memory limit.
_COUNTING = Lock()

Line = dict[str, Any]


def lines(text: str, days: int) -> Iterator[bytes]:
    """Yield the lines for the rule in a form's JSON.

    ``count`` while counting, then ``counted``, ``sample``, ``change``, an ``overlap`` for each rule, ``end``.
    A rule that is refused gets the single line ``unsound``.
    """
    try:
        definition = editor.parse_valid(text)
        for line in _one_at_a_time(_lines(definition, days)):
            yield orjson.dumps(line) + b"\n"
    except editor.MalformedError:
        yield orjson.dumps({"step": "unsound"}) + b"\n"
    except DomainError as error:
        db.session.rollback()
        yield orjson.dumps({"step": "error", "text": error.text()}) + b"\n"


def _one_at_a_time(work: Iterator[Line]) -> Iterator[Line]:
    while not _COUNTING.acquire(timeout=LINE_SECONDS):
        yield {"step": "wait"}
    try:
        yield from work
    finally:
        _COUNTING.release()


def _lines(definition: RuleDef, days: int) -> Iterator[Line]:
    settings = current_app.config["SETTINGS"]
    dates = coverage.days_with_data(settings, days, today() - dt.timedelta(days=1))
    if not dates:
        yield {"step": "empty", "text": _("There are no call logs yet, so nothing can be counted.")}
        return
    caught = LeadSet.empty()
    last_line = time.monotonic()
    for part in coverage.count(settings, definition, dates):
        last = part.done == part.total
        if last or time.monotonic() - last_line >= LINE_SECONDS:
            last_line = time.monotonic()
            counts = {day.isoformat(): n for day, n in part.counts.items()}
            yield {"step": "counted" if last else "count", "counts": counts, "done": part.done / part.total}
        if last:
            caught = LeadSet.of(part.leads)
    yield {"step": "sample", "as_of": dates[-1].isoformat(), "leads": _sample(definition, dates[-1], caught)}
    yield from _compare_with_active(definition, dates[-1], caught)
    yield {"step": "end"}


def _compare_with_active(definition: RuleDef, day: dt.date, caught: LeadSet) -> Iterator[Line]:
    """Yield the change against the rule's version in force and the overlap with the other rules in force."""
    settings = current_app.config["SETTINGS"]
    active = [(rule_def(version), version.rule_id) for version in active_versions()]
    # The rule's own version comes first; the sort is stable, so that the others keep their order.
    active.sort(key=lambda pair: pair[0].code != definition.code)
    if definition.code not in {other.code for other, _id in active}:
        yield {"step": "change", "new": True}
    for other, rule_id in active:
        caught_by_other = LeadSet.empty()
        for leads in coverage.leads_of(settings, other, day):
            if leads is None:
                yield {"step": "working"}
            else:
                caught_by_other = leads
        if other.code == definition.code:
            yield _change(caught, caught_by_other)
        else:
            both = len(caught & caught_by_other)
            share = both / len(caught) * 100 if len(caught) else 0.0
            url = url_for("RuleView.show", pk=rule_id) if may("can_show", "RuleView") else ""
            name = f"{other.code} {other.name}"
            yield {"step": "overlap", "name": name, "url": url, "both": both, "share": round(share, 1)}


def _change(caught: LeadSet, before: LeadSet) -> Line:
    groups = {"gained": caught - before, "lost": before - caught, "kept": caught & before}
    shown = {name: [_link(lead) for lead in _visible(group)] for name, group in groups.items()}
    return {
        "step": "change",
        "groups": [{"name": name, "n": len(group), "leads": shown[name]} for name, group in groups.items()],
    }


def _sample(definition: RuleDef, day: dt.date, caught: LeadSet) -> list[Line]:
    leads = {lead.id: lead for lead in _visible(caught)}
    if not leads:
        return []
    settings = current_app.config["SETTINGS"]
    explained = coverage.explain(settings, definition, day, sorted(leads))
    return [
        _link(leads[each.lead])
        | {"grade": each.grade, "score": round(each.score, 2), "reason": describe.reason_of(each.evidence)}
        for each in sorted(explained, key=lambda each: -each.score)
    ]


def _visible(group: LeadSet) -> list[Lead]:
    """Return a few leads of the group that the user may see."""
    candidates = group.spread(MAX_CANDIDATES)
    query = select(Lead).where(Lead.id.in_(candidates), leads_visible_to(g.user)).order_by(Lead.id)
    rows = list(db.session.scalars(query))
    step = max(len(rows) // SAMPLE_SIZE, 1)
    return rows[::step][:SAMPLE_SIZE]


def _link(lead: Lead) -> Line:
    url = url_for("LeadView.show", pk=lead.id) if may("can_show", "LeadView") else ""
    return {"no": lead.lead_no, "name": lead.name, "phone": lead.phone_masked, "url": url}
