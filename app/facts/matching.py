"""The leads that pass tests of facts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from app.activity import engine
from app.activity.settings import EngineSettings
from app.activity.store import Snapshot
from app.facts import store
from app.facts.conditions import FactTest
from app.facts.store import Column

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
}

Bools = np.ndarray[Any, np.dtype[np.bool_]]
#: the truth of a test: of each row of a table, or of a lead of whom nothing is known
Truth = Callable[[FactTest], Any]


@dataclass(frozen=True)
class Passing:
    """Who passes: by the id of the lead, and whether everybody else does."""

    bits: Bools
    beyond: bool


def passing(
    snapshot: Snapshot,
    wanted: Sequence[Callable[[Truth], Any]],
    tests: Sequence[FactTest],
    columns: Mapping[str, Column],
    as_of: date,
    *,
    settings: EngineSettings | None = None,
) -> list[Passing]:
    """Return for each combination of tests who passes it as of a date.

    A combination is given the truth of a test as a function, and joins truths by ``&``, ``|`` and ``~``.
    ``columns`` are those of the facts by code.
    """
    with store.opened(snapshot.root, settings) as (connection, _scratch):
        used = list(dict.fromkeys(columns[test.fact] for test in tests))
        table = store.tell_values(connection, snapshot, used, as_of).table
        for days in dict.fromkeys(test.against_days for test in tests if test.against_days):
            table = _with_values_before(connection, snapshot, tests, columns, table, as_of, days)
        nobody_told = [bool(combine(lambda _test: np.False_)) for combine in wanted]
        results = {
            f"p{n}": combine(lambda test: _holds(table, test, columns[test.fact], as_of)) != beyond
            for n, (combine, beyond) in enumerate(zip(wanted, nobody_told, strict=True))
        }
        found = table.select("lead", **results)
        rows = engine.run(connection, found.filter(ibis.or_(*(found[name] for name in results))))
    leads = rows["lead"].to_numpy()
    everybody = np.zeros(int(leads.max(initial=0)) + 1, np.bool_)
    answers = []
    for name, beyond in zip(results, nobody_told, strict=True):
        differs = everybody.copy()
        differs[leads[rows[name].to_numpy()]] = True
        answers.append(Passing(differs != beyond, beyond))
    return answers


def middle(
    snapshot: Snapshot,
    column: Column,
    as_of: date,
    among: Sequence[int],
    *,
    settings: EngineSettings | None = None,
) -> float | date | None:
    """Return the median of a fact's values as of a date among some leads, None when it is known of none.

    Of an even number of values it is the lower one in the middle.
    """
    with store.opened(snapshot.root, settings) as (connection, _scratch):
        connection.register("among", pa.table({"lead": pa.array(among, pa.int64())}))
        table = store.tell_values(connection, snapshot, [column], as_of).table
        own = table.semi_join(ibis.table({"lead": "int64"}, name="among"), "lead")
        known = own.filter(own[column.name].notnull()).select(value=own[column.name])
        values = engine.run(connection, known.order_by("value"))["value"]
    return values[(len(values) - 1) // 2].as_py() if len(values) else None


def values(
    snapshot: Snapshot,
    columns: Mapping[str, Column],
    as_of: date,
    among: Sequence[int],
    *,
    settings: EngineSettings | None = None,
) -> list[tuple[int, dict[str, Any]]]:
    """Return the values of facts as of a date, by code, of those of some leads of whom any is known."""
    if not columns or not among:
        return []
    with store.opened(snapshot.root, settings) as (connection, _scratch):
        connection.register("among", pa.table({"lead": pa.array(among, pa.int64())}))
        used = list(columns.values())
        table = store.tell_values(connection, snapshot, used, as_of).table
        # What lies outside these bounds is not read.
        near = table.filter(table.lead.between(min(among), max(among)))
        own = near.semi_join(ibis.table({"lead": "int64"}, name="among"), "lead")
        rows = engine.run(connection, own.select("lead", *(column.name for column in used))).to_pylist()
    return [(row["lead"], {code: row[column.name] for code, column in columns.items()}) for row in rows]


def _with_values_before(
    connection: Any,
    snapshot: Snapshot,
    tests: Sequence[FactTest],
    columns: Mapping[str, Column],
    table: ibis.Table,
    as_of: date,
    days: int,
) -> ibis.Table:
    """Return the table with the values of so many days before, as columns ``f<id>_<days>``."""
    used = list(dict.fromkeys(columns[test.fact] for test in tests if test.against_days == days))
    before = store.tell_values(
        connection, snapshot, used, as_of - timedelta(days=days), date=f"before_{days}"
    ).table
    wanted = {f"{column.name}_{days}": before[column.name] for column in used}
    return table.left_join(before.select("lead", **wanted), "lead").drop("lead_right")


def _holds(table: ibis.Table, test: FactTest, column: Column, as_of: date) -> ibis.Value:
    value = table[column.name]
    if test.fell_by is not None:
        before = table[f"{column.name}_{test.against_days}"]
        holds = (before > 0) & (before - value >= before * test.fell_by)
    elif test.op == "in":
        holds = value.isin([_literal(column, each) for each in test.value])  # type: ignore[union-attr]
    elif test.op == "within_days":
        until = as_of + timedelta(days=int(test.value))  # type: ignore[arg-type]
        holds = value.between(min(as_of, until), max(as_of, until))
    else:
        holds = _COMPARE[str(test.op)](value, _literal(column, test.value))
    return holds.fill_null(False)


def _literal(column: Column, value: Any) -> ibis.Value:
    if column.kind == "date":
        return ibis.literal(date.fromisoformat(value))
    return ibis.literal(value, column.type)
