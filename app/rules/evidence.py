"""The evidence of hits: written by DuckDB as lines for the staging table, whatever the engine, and read.

Python objects for each hit would take longer than all the rest of an evaluation. A hit stores only what its
version doesn't say: what JSON costs in PostgreSQL is its length.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache, partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

from app.activity import event_types, operators
from app.activity.score import Score
from app.lib.lazy import lazy
from app.models import Hit
from app.rules.definition import ConditionDef, RuleDef
from app.rules.versions import rule_def

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pyarrow as pa

    from app.activity import cube, engine, engines, query
    from app.activity.spec import RuleSpec
else:
    cube = lazy("app.activity.cube")
    engine = lazy("app.activity.engine")
    ibis = lazy("ibis")
    np = lazy("numpy")
    query = lazy("app.activity.query")

TIME = '"%Y-%m-%dT%H:%M:%S"'


class Format(NamedTuple):
    """How the hits of the version with this id are written."""

    version: int
    spec: RuleSpec
    score: Score
    #: grades with their lower edges, from A down
    bands: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, version: int, definition: RuleDef, spec: RuleSpec, score: Score) -> Format:
        """Return the format of a version."""
        bands = tuple((grade, float(definition.grade_bands[grade])) for grade in "ABC")  # type: ignore[index]
        return cls(version, spec, score, bands)


def of(hit: Hit) -> dict[str, Any]:
    """Return the evidence of a hit in full.

    A hit stores what was found about its lead. What its version says for all its hits alike is added here:
    a condition has its demand, the value (``actual``), and whether that meets it (``met``).
    """
    stored = hit.evidence
    if "conditions" in stored or not stored:  # Older hits say everything themselves.
        return stored
    definition = rule_def(hit.version)
    widest = max(each.window_days for each in definition.conditions)
    first = hit.hit_date - dt.timedelta(days=widest - 1)
    seen = stored.get("seen") or [{}]
    found = zip(definition.conditions, hit.values, seen, strict=True)
    return {
        "version": hit.version.number,
        "match": definition.match,
        "half_life_days": definition.half_life_days,
        "weights": dict(definition.weights),
        "window": [first.isoformat(), hit.hit_date.isoformat()],
        "conditions": [condition(*each, alone=len(seen) == 1) for each in found],
        **{name: stored[name] for name in ("data_batch", "calls", "institutions", "first_at", "last_at")},
        "terms": [_term(each) for each in stored["terms"].split()],
    }


def condition(demand: ConditionDef, actual: int, seen: dict[str, Any], *, alone: bool) -> dict[str, Any]:
    """Return a condition's demand and findings.

    The events of a single condition are left out, as they are those of the whole hit.
    """
    met = operators.REGISTRY[demand.op].compare(actual, demand.value)
    result = demand.model_dump(exclude_defaults=True) | {"actual": actual, "met": met}
    return result if alone else result | {"seen": seen}


def _term(text: str) -> dict[str, Any]:
    number, age, n = map(int, text.split(":"))
    return {"event_type": event_types.name_of(number), "age_days": age, "n": n}


def lines(
    on: engines.Engine, activity: str, asked: pa.Table, form: Format, data_batch: int
) -> list[memoryview]:
    """Return the rows of ``asked`` with values, score, grade and evidence, as text for COPY to ``hit_stage``.

    Its columns are ``lead``, ``as_of``, ``last_met_on``, ``is_new`` and ``value_0``, ``value_1`` …;
    ``activity`` is a table of the engine ``on`` with the activity of its leads.
    """
    with on.holding("asked", asked):
        table = on.run(_statement(activity, form), data_batch=data_batch)
    return [_text_of(chunk) for chunk in table["line"].chunks]


def _text_of(lines: pa.StringArray) -> memoryview:
    """Return the text of all lines, which an array keeps one behind the other."""
    _valid, places, text = lines.buffers()
    ends = np.frombuffer(places, np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(text)[ends[0] : ends[-1]] if len(lines) else memoryview(b"")


@lru_cache(maxsize=256)
def _statement(activity: str, form: Format) -> engine.Statement:
    values = {f"value_{c}": "int64" for c in range(len(form.spec.conditions))}
    columns = {"lead": "int64", "as_of": "date", "last_met_on": "date", "is_new": "boolean", **values}
    rows = ibis.table(cube.LEAD_ACTIVITY, name=activity)
    asked = ibis.table(columns, name="asked")
    hits = query.explained(rows, asked, form.spec, form.score, "last_met_on", "is_new")
    return engine.Statement(hits, then=partial(_as_lines, form=form))


def _as_lines(hits: ibis.Table, form: Format) -> ibis.Table:
    grade = ibis.cases(*((hits.score >= edge, name) for name, edge in form.bands), else_="D")
    numbers = [hits["values"][c].cast("string") for c in range(len(form.spec.conditions))]
    fields = [
        str(form.version),
        hits.lead.cast("string"),
        hits.as_of.cast("string"),
        _concat("{", *_between(",", numbers), "}"),
        hits.score.cast("string"),
        grade,
        _evidence(hits, form).replace("\\", "\\\\"),
        hits.last_met_on.cast("string"),
        hits.is_new.cast("string"),
    ]
    return hits.select(line=_concat(*_between("\t", fields), "\n"))


def _evidence(hits: ibis.Table, form: Format) -> ibis.ir.StringValue:
    each = [_seen_by(hits, c) for c in range(len(form.spec.conditions))]
    # The events of a single condition are those of the whole hit.
    by_condition = [',"seen":[', *_between(",", each), "]"] if each[1:] else []
    return _concat(
        '{"data_batch":',
        engine.parameter("data_batch", int).cast("string"),
        ',"calls":',
        hits.calls.cast("string"),
        *_seen(hits),
        ',"terms":"',
        hits.by_type_age.map(_as_term).join(" "),
        '"',
        *by_condition,
        "}",
    )


def _as_term(term: ibis.ir.StructValue) -> ibis.ir.StringValue:
    known = event_types.REGISTRY.items()
    number = ibis.cases(*((term.event_type == name, str(each.number)) for name, each in known), else_="0")
    return _concat(number, ":", term.age_days.cast("string"), ":", term.n.cast("string"))


def _seen_by(hits: ibis.Table, c: int) -> ibis.ir.StringValue:
    return _concat("{", *_seen(hits.by_condition[c])[1:], "}")


def _seen(found: Any) -> list[str | ibis.Value]:
    """Return institutions and the first and last time as parts of JSON, the first of which is a comma."""
    times = {name: found[name].strftime(TIME).fill_null("null") for name in ("first_at", "last_at")}
    named = {"institutions": _to_json()(found.institutions)} | times
    return [part for name, value in named.items() for part in (",", f'"{name}":', value)]


@lru_cache(maxsize=1)
def _to_json() -> Any:
    """Return the engine's function, which Ibis doesn't have."""

    def to_json(value) -> str:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    return ibis.udf.scalar.builtin(to_json)


def _between(separator: str, parts: list[Any]) -> list[Any]:
    return [part for each in parts for part in (separator, each)][1:]


def _concat(*parts: str | ibis.Value) -> Any:
    return reduce(add, (ibis.literal(part) if isinstance(part, str) else part for part in parts))
