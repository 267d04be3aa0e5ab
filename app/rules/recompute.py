"""Does a hit still agree with its data and its rule version?"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from app.activity import query
from app.activity.spec import Score
from app.lead_activity import engine_settings, prepare, window
from app.models import Hit
from app.rules.evaluate import compile_rule, grade_of
from app.rules.versions import rule_def
from config import Settings


class Difference(NamedTuple):
    """A part of the evidence that is not what it was: ``part`` is a key of PARTS."""

    part: str
    was: str
    now: str


#: What is compared, by key of the evidence.
PARTS = ("values", "calls", "institutions", "first_at", "last_at", "score", "grade")


def recompute(settings: Settings, hit: Hit) -> list[Difference]:
    """What the hit's own version finds in today's data as of the hit date, where it differs from the hit.

    Empty when data and rule still agree with it.
    """
    definition = rule_def(hit.version)
    spec = compile_rule(definition)
    state = prepare(settings, window(hit.hit_date, spec.window_days))
    score = Score(definition.half_life_days, {str(kind): w for kind, w in definition.weights.items()})
    table = query.explain(state, spec, hit.hit_date, hit.lead_id, score, settings=engine_settings(settings))
    found = table.to_pylist()[0]
    bands = {str(grade): edge for grade, edge in definition.grade_bands.items()}
    found["grade"] = grade_of(found["score"], bands)
    kept = {**hit.evidence, "values": list(hit.values), "score": hit.score, "grade": hit.grade}
    pairs = [(part, _text(kept.get(part)), _text(found[part])) for part in PARTS]
    return [Difference(part, was, now) for part, was, now in pairs if was != now]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value or 0)
