"""Hits with their evidence as lines for the staging table, written by DuckDB whatever the engine.

Python objects for each hit would take longer than all the rest of an evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from app.activity.score import Score
from app.lib.lazy import lazy
from app.rules.definition import ConditionDef, RuleDef

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
    """What the evidence of a version's hits says for each of them alike."""

    spec: RuleSpec
    score: Score
    #: JSON without its closing brace
    start: str
    #: likewise, of each condition
    demands: tuple[str, ...]
    #: grades with their lower edges, from A down
    bands: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, definition: RuleDef, number: int, spec: RuleSpec, score: Score) -> Format:
        """Return the format of a version."""
        start = {
            "version": number,
            "match": definition.match,
            "half_life_days": definition.half_life_days,
            "weights": dict(definition.weights),
        }
        bands = tuple((grade, float(definition.grade_bands[grade])) for grade in "ABC")  # type: ignore[index]
        return cls(spec, score, _opened(start), tuple(map(_demand, definition.conditions)), bands)


def _demand(condition: ConditionDef) -> str:
    return _opened(condition.model_dump(exclude_defaults=True))


def _opened(values: dict[str, Any]) -> str:
    return orjson.dumps(values).decode()[:-1]


def lines(
    on: engines.Engine, activity: str, asked: pa.Table, form: Format, data_batch: int
) -> Iterator[memoryview]:
    """Yield the rows of ``asked`` with values, score, grade and evidence, as text for COPY to ``hit_stage``.

    Its columns are ``lead``, ``as_of``, ``last_met_on``, ``is_new`` and ``value_0``, ``value_1`` …;
    ``activity`` is a table of the engine ``on`` with the activity of its leads.
    """
    with on.holding("asked", asked):
        table = on.run(_statement(activity, form), data_batch=data_batch)
    for chunk in table["line"].chunks:
        yield _text_of(chunk)


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
    numbers = [hits["values"][c].cast("string") for c in range(len(form.demands))]
    fields = [
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
    first = hits.as_of - ibis.interval(days=form.spec.window_days - 1)
    found = [_condition(hits, form, c) for c in range(len(form.demands))]
    return _concat(
        form.start + ',"data_batch":',
        engine.parameter("data_batch", int).cast("string"),
        first.strftime(',"window":["%Y-%m-%d'),
        hits.as_of.strftime('","%Y-%m-%d"],"conditions":['),
        *_between(",", found),
        '],"calls":',
        hits.calls.cast("string"),
        ',"institutions":',
        _to_json()(hits.institutions),
        *_seen_from(hits.first_at, hits.last_at),
        ',"terms":',
        _to_json()(hits.by_type_age),
        "}",
    )


def _condition(hits: ibis.Table, form: Format, c: int) -> ibis.ir.StringValue:
    """Return a condition's demand and findings.

    The events of a single condition are left out, as they are those of the whole hit.
    """
    actual = hits["values"][c]
    met = form.spec.conditions[c].holds(actual).cast("string")
    parts = [form.demands[c] + ',"actual":', actual.cast("string"), ',"met":', met]
    if len(form.demands) > 1:
        seen = hits.by_condition[c]
        times = _seen_from(seen.first_at, seen.last_at)
        parts += [',"seen":{"institutions":', _to_json()(seen.institutions), *times, "}"]
    return _concat(*parts, "}")


def _seen_from(first: ibis.Value, last: ibis.Value) -> list[str | ibis.Value]:
    times = [each.strftime(TIME).fill_null("null") for each in (first, last)]
    return [',"first_at":', times[0], ',"last_at":', times[1]]


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
