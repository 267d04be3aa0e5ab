"""Recomputation of a hit from today's data, to see whether it still agrees."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from app.leads.cube import engine_settings, prepare, window
from app.lib.lazy import lazy
from app.models import Hit
from app.rules import evidence, lead_filter
from app.rules.compiled import compile_rule, grade_of, score_of
from app.rules.control_group import ControlGroup
from app.rules.definition import RuleDef
from app.rules.holdout import Lottery
from app.rules.versions import rule_def
from config import Settings

if TYPE_CHECKING:
    from app.activity import query
else:
    query = lazy("app.activity.query")


class Difference(NamedTuple):
    """A part of the evidence that is not what it was: ``part`` is a key of PARTS."""

    part: str
    was: str
    now: str


#: The compared keys of the evidence, and the compared properties of the lead.
PARTS = ("values", "calls", "institutions", "first_at", "last_at", "score", "grade")
OF_LEAD = ("lead_filter", "holdout")


def recompute(settings: Settings, hit: Hit) -> list[Difference]:
    """Evaluate the hit's version on today's data as of the hit date. Return the differences from the hit.

    There are none when data and rule still agree with it.
    """
    definition = rule_def(hit.version)
    spec = compile_rule(definition)
    state = prepare(settings, window(hit.hit_date, spec.window_days))
    score = score_of(definition)
    table = query.explain(state, spec, hit.hit_date, hit.lead_id, score, settings=engine_settings(settings))
    recomputed = table.to_pylist()[0]
    recomputed["grade"] = grade_of(recomputed["score"], definition)
    stored = {**evidence.of(hit), "values": list(hit.values), "score": hit.score, "grade": hit.grade}
    pairs = [(part, _text(stored.get(part)), _text(recomputed[part])) for part in PARTS]
    changed = [Difference(part, was, now) for part, was, now in pairs if was != now]
    return changed + _of_lead(settings, hit, definition)


def _of_lead(settings: Settings, hit: Hit, definition: RuleDef) -> list[Difference]:
    """Return whether the lead's match with the filter, or its membership in the holdout group, changed."""
    fits = lead_filter.fits(definition.lead_filter, hit.lead_id, settings, hit.hit_date)
    person = hit.lead.id_hash
    held = Lottery(settings, definition.code).holds_out(person, definition.holdout_percent)
    held = held or ControlGroup(settings, hit.hit_date.year).includes(person)
    pairs = (("lead_filter", True, fits), ("holdout", hit.holdout, held))
    return [Difference(part, str(was), str(now)) for part, was, now in pairs if was != now]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value or 0)
