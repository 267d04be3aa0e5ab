"""Evaluation: finding the leads that meet a rule as of a date, and storing the hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
import psycopg
from sqlalchemy import Connection, text

from app.activity import operators, store
from app.activity.score import Score
from app.activity.spec import Condition, RuleSpec
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib import clock
from app.lib.lazy import lazy
from app.models import RuleVersion
from app.rules import catalogue, lead_filter
from app.rules.control_group import ControlGroup
from app.rules.definition import ConditionDef, RuleDef
from app.rules.holdout import Lottery
from app.rules.sql import SQL
from app.rules.versions import active_versions, rule_def
from config import Settings

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from app.activity import coverage, engine, query
else:
    engine = lazy("app.activity.engine")
    coverage = lazy("app.activity.coverage")
    query = lazy("app.activity.query")


#: rows of a result that are turned into Python objects at once
ROWS_AT_ONCE = 2_000


class Evaluated(NamedTuple):
    """A rule's version to evaluate, its definition, and the query that it compiles to."""

    version: RuleVersion
    definition: RuleDef
    spec: RuleSpec

    @classmethod
    def of(cls, version: RuleVersion) -> Self:
        """Return a version as it is evaluated."""
        definition = rule_def(version)
        return cls(version, definition, compile_rule(definition))


def compile_rule(definition: RuleDef) -> RuleSpec:
    """Compile a rule to a query specification for the activity cube, resolving its institution filters."""
    return RuleSpec(match=definition.match, conditions=tuple(_compile(c) for c in definition.conditions))


def _compile(condition: ConditionDef) -> Condition:
    return Condition(
        metric=condition.metric,
        op=condition.op,
        value=condition.value,
        window_days=condition.window_days,
        hours=(condition.hours[0], condition.hours[1]),
        institutions=catalogue.resolve(condition),
        event_types=frozenset(condition.event_types) or None,
        result=condition.result,
    )


def evaluate_days(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    *,
    code: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[str, dict[str, int]]]:
    """Evaluate every active rule as of each date, in order, and create or refresh hits.

    One transaction per rule and date. Return ``{date: {"created": {rule: n}, "refreshed": {rule: n}}}``.
    """
    rules = [Evaluated.of(version) for version in active_versions(code)]
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    steps = count(1)

    def one_more_done() -> None:
        progress(next(steps), len(days) * len(rules))

    with engine.opened(activity_root(settings), engine_settings(settings)) as connection:
        return {
            day.isoformat(): _evaluate_day(settings, rules, day, connection, one_more_done) for day in days
        }


def _evaluate_day(
    settings: Settings,
    rules: Sequence[Evaluated],
    day: dt.date,
    connection: duckdb.DuckDBPyConnection,
    done: Callable[[], None],
) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"created": {}, "refreshed": {}}
    state = prepared(settings, rules, day)
    for rule in rules:
        rows = candidates(settings, rule, day, state, connection)
        stored = store_hits(db.session.connection(), settings, rule.version, rule.definition, day, rows)
        db.session.commit()
        counts["created"][rule.definition.code], counts["refreshed"][rule.definition.code] = stored
        done()
    if any(counts["created"].values()):
        db.session.execute(text(SQL["hit_analyze"]))
        db.session.commit()
    return counts


def prepared(settings: Settings, rules: Iterable[Evaluated], day: dt.date) -> store.Snapshot:
    """Update the lead layer of the rules' widest window as of a date. Return the cube's newest state."""
    return prepare(settings, window(day, max((rule.spec.window_days for rule in rules), default=0)))


def candidates(
    settings: Settings,
    rule: Evaluated,
    day: dt.date,
    state: store.Snapshot,
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[tuple[Any, ...]]:
    """Yield a row for the staging table for each lead that meets a rule as of a date."""
    among = lead_filter.leads(rule.definition.lead_filter, settings, day)
    score = score_of(rule.definition)
    table = query.evaluate(state, rule.spec, day, score, among=among, connection=connection)
    return _rows(table, rule.version, rule.definition, day, state)


def preview(settings: Settings, definition: RuleDef, first: dt.date, last: dt.date) -> dict[str, int]:
    """Return the exact number of leads that meet the definition as of each date.

    A lead filter takes attributes of today, everything else as of each date.
    """
    spec = compile_rule(definition)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    state = prepare(settings, {seen for day in days for seen in window(day, spec.window_days)})
    among = lead_filter.leads_by_day(definition.lead_filter, settings, days)
    counts = coverage.counts(state, spec, days, among=among, settings=engine_settings(settings))
    return {day.isoformat(): counts.get(day, 0) for day in days}


def score_of(definition: RuleDef) -> Score:
    """Return how a rule scores its hits."""
    return Score(
        definition.half_life_days, {str(kind): weight for kind, weight in definition.weights.items()}
    )


def grade_of(score: float, definition: RuleDef) -> str:
    """Return the grade of a score: the first band, from A down, whose lower edge the score reaches."""
    bands = {str(grade): edge for grade, edge in definition.grade_bands.items()}
    return next((grade for grade in "ABCD" if score >= bands[grade]), "D")


def _rows(
    table: pa.Table, version: RuleVersion, definition: RuleDef, day: dt.date, state: store.Snapshot
) -> Iterator[tuple[Any, ...]]:
    width = max(condition.window_days for condition in definition.conditions)
    fixed = {
        "version": version.number,
        "match": definition.match,
        "window": [(day - dt.timedelta(days=width - 1)).isoformat(), day.isoformat()],
        "half_life_days": definition.half_life_days,
        "weights": dict(definition.weights),
        "data_batch": state.version,
    }
    for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            evidence = fixed | {
                "conditions": [
                    condition_evidence(*each, alone=len(definition.conditions) == 1)
                    for each in zip(definition.conditions, row["values"], row["by_condition"], strict=True)
                ],
                "calls": row["calls"],
                "institutions": row["institutions"],
                "first_at": row["first_at"],
                "last_at": row["last_at"],
                "terms": row["by_type_age"],
            }
            grade = grade_of(row["score"], definition)
            yield row["lead"], row["values"], row["score"], grade, orjson.dumps(evidence).decode()


def condition_evidence(
    condition: ConditionDef, actual: int, seen: dict[str, Any], *, alone: bool
) -> dict[str, Any]:
    """Return the condition's demand and findings.

    The events of a single condition are left out, as they are those of the whole hit.
    """
    demand = condition.model_dump(exclude_defaults=True)
    met = operators.REGISTRY[condition.op].compare(actual, condition.value)
    result = {"actual": actual, "met": met}
    return demand | result if alone else demand | result | {"seen": seen}


def store_hits(
    connection: Connection,
    settings: Settings,
    version: RuleVersion,
    definition: RuleDef,
    day: dt.date,
    rows: Iterable[tuple[Any, ...]],
) -> tuple[int, int]:
    """Store the hits of the rows with set-based statements. Return (created, refreshed).

    Stages the rows by COPY, inserts those outside the cooldown and refreshes the rest.
    """
    values = {
        "rule": version.rule_id,
        "version": version.id,
        "number": version.number,
        "day": day,
        "cooldown": definition.cooldown_days,
        "today": clock.today(),
    }
    connection.execute(text(SQL["hit_stage"]))
    _copy(connection.connection.driver_connection, rows)
    connection.execute(text(SQL["hit_stage_analyze"]))
    _mark_holdout(connection, settings, definition, day)
    # Each statement locks its customers: those of two rules at once would wait for each other.
    wait_for_lock(connection, Lock.HITS)
    created = connection.execute(text(SQL["hit_insert"]), values).rowcount
    connection.execute(text(SQL["hit_refresh_same_day"]), values)
    connection.execute(text(SQL["hit_refresh_later"]), values)
    met = connection.execute(text(SQL["hit_stage_count"])).scalar_one()
    return created, met - created


def _mark_holdout(connection: Connection, settings: Settings, definition: RuleDef, day: dt.date) -> None:
    """Mark the staged leads of people whom the rule or the universal control group holds out."""
    percent, everybody = definition.holdout_percent, ControlGroup(settings, day.year)
    if not (percent or everybody.percent):
        return
    lottery = Lottery(settings, definition.code)
    people = connection.execute(text(SQL["hit_stage_people"])).tuples()
    held = [
        lead for lead, id_hash in people if lottery.holds_out(id_hash, percent) or everybody.includes(id_hash)
    ]
    connection.execute(text(SQL["hit_stage_hold_out"]), {"leads": held})


def _copy(connection: psycopg.Connection | Any, rows: Iterable[tuple[Any, ...]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY hit_stage (lead_id, values, score, grade, evidence) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
