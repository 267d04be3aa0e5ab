"""Evaluation: finding the leads that meet a rule as of a date, and storing the hits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from sqlalchemy import BigInteger, Connection, column, text

from app.activity.score import Score
from app.activity.spec import Condition, RuleSpec
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib import clock
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.models import RuleVersion
from app.rules import catalogue, cooldown, evidence, lead_filter
from app.rules.control_group import ControlGroup
from app.rules.control_group import share as control_share
from app.rules.definition import ConditionDef, RuleDef
from app.rules.holdout import Lottery
from app.rules.sql import SQL
from app.rules.versions import active_versions, rule_def
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import coverage, engines, finder, query
else:
    finder = lazy("app.activity.finder")
    np = lazy("numpy")
    pa = lazy("pyarrow")
    engines = lazy("app.activity.engines")
    coverage = lazy("app.activity.coverage")
    query = lazy("app.activity.query")


#: hits whose evidence is written at once
ROWS_AT_ONCE = 50_000
#: cells (leads × dates, by rule) that are found before their hits are stored
CELLS_AT_ONCE = 10_000_000
#: dates that are evaluated at once, and fewer where each has a list of leads of its own
DAYS_AT_ONCE, DATED_AT_ONCE = 31, 7
KINDS = ("created", "refreshed")
#: date → kind → rule → number
Counts: TypeAlias = dict[str, dict[str, dict[str, int]]]
Buffer: TypeAlias = bytes | memoryview


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

    One transaction for a rule and the leads that are found at once. Return
    ``{date: {"created": {rule: n}, "refreshed": {rule: n}}}``.
    """
    rules = [Evaluated.of(version) for version in active_versions(code)]
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    counts: Counts = {
        day.isoformat(): {kind: dict.fromkeys((r.definition.code for r in rules), 0) for kind in KINDS}
        for day in days
    }
    done = 0
    with engines.opened(activity_root(settings), engine_settings(settings)) as engine:
        for some, part in _passes(rules, days):
            weight = len(some) * len(part)
            for share in _evaluate(settings, some, part, engine, counts):
                progress(done + int(weight * share), len(days) * len(rules))
            done += weight
    return counts


def _passes(
    rules: Sequence[Evaluated], days: Sequence[dt.date]
) -> Iterator[tuple[Sequence[Evaluated], Sequence[dt.date]]]:
    """Yield the rules and dates that are evaluated at once, in order.

    A rule whose lead filter asks for hits is evaluated after those before it have stored theirs of the date.
    """
    filters = [rule.definition.lead_filter for rule in rules]
    alone = [lead_filter.reads_hits(each) for each in filters]
    at_once = 1 if any(alone) else DATED_AT_ONCE if any(map(lead_filter.is_dated, filters)) else DAYS_AT_ONCE
    edges = [0, *(n for n in range(1, len(rules)) if alone[n] or alone[n - 1]), len(rules)]
    for start in range(0, len(days), at_once):
        for first, end in pairwise(edges):
            if first < end:
                yield rules[first:end], days[start : start + at_once]


def _evaluate(
    settings: Settings,
    rules: Sequence[Evaluated],
    days: Sequence[dt.date],
    engine: engines.Engine,
    counts: Counts,
) -> Iterator[float]:
    """Evaluate rules as of some dates, add to the counts, and yield the share that is done."""
    width = max(rule.spec.window_days for rule in rules)
    state = prepare(settings, {seen for day in days for seen in window(day, width)})
    among = [lead_filter.leads_by_day(rule.definition.lead_filter, settings, days) for rule in rules]
    # Searching takes a while, in which no transaction is left open.
    db.session.commit()
    with query.lead_activity(state, width, days[0], days[-1], engaged=engine):
        search = engine.finder([rule.spec for rule in rules], days, among)
        slices = search.slices()
        found: list[list[finder.Met]] = []
        stored = 0
        for n, (first, end) in enumerate(slices, 1):
            found.append(search.find(first, end))
            yield (stored + n) / 2 / len(slices)
            if n < len(slices) and sum(met.met.size for part in found for met in part) < CELLS_AT_ONCE:
                continue
            by_rule = list(zip(*found, strict=True))
            caught = _Caught(engine, state.version, [met.leads for mets in by_rule for met in mets])
            made = 0
            for m, (rule, mets) in enumerate(zip(rules, by_rule, strict=True), 1):
                made += store(settings, rule, days, _joined(mets), caught, counts)
                yield (stored + n + (n - stored) * m / len(rules)) / 2 / len(slices)
            if made:
                db.session.execute(text(SQL["hit_analyze"]))
                db.session.commit()
            found, stored = [], n


def _joined(mets: Sequence[finder.Met]) -> finder.Met:
    leads, met, values = zip(*mets, strict=True)
    columns = [np.concatenate(each) for each in zip(*values, strict=True)]
    return finder.Met(np.concatenate(leads), np.concatenate(met), columns)


class _Caught:
    """The activity of leads that meet a rule, read when the first evidence is asked for."""

    def __init__(self, engine: engines.Engine, data_batch: int, leads: Sequence[finder.Ints]) -> None:
        self.data_batch = data_batch
        self._engine, self._leads = engine, leads
        self._is_read = False

    def lines(self, asked: pa.Table, form: evidence.Format) -> Iterator[memoryview]:
        """Yield hits with evidence as ``evidence.lines`` does, some at a time."""
        if asked.num_rows and not self._is_read:
            ids = pa.table({"lead": np.unique(np.concatenate(self._leads))})
            with self._engine.holding("among", ids):
                self._engine.keep("caught", query.lead_table(only_among=True))
            self._is_read = True
        for start in range(0, asked.num_rows, ROWS_AT_ONCE):
            some = asked.slice(start, ROWS_AT_ONCE)
            yield from evidence.lines(self._engine, "caught", some, form, self.data_batch)


def store(
    settings: Settings,
    rule: Evaluated,
    days: Sequence[dt.date],
    found: finder.Met,
    caught: _Caught,
    counts: Counts,
) -> int:
    """Make and refresh a rule's hits of the leads that were found, in a transaction.

    Return how many were made.
    """
    if not len(found.leads):
        return 0
    connection = db.session.connection()
    # Each statement locks its customers: those of two rules at once would wait for each other.
    wait_for_lock(connection, Lock.HITS)
    known, is_stale = _known(connection, rule, days, found.leads, caught.data_batch)
    numbers = np.array([day.toordinal() for day in days])
    settled = cooldown.settle(found.leads, found.met, numbers, known, rule.definition.cooldown_days)
    asked = _asked(found, numbers, settled, settled.again & is_stale)
    score = score_of(rule.definition)
    form = evidence.Format.of(rule.definition, rule.spec, score)
    made = store_hits(connection, settings, rule.version, rule.definition, caught.lines(asked, form))
    _meet_later(connection, *settled.met_later)
    code = rule.definition.code
    db.session.commit()
    met, new = found.met.sum(axis=0).tolist(), settled.created.sum(axis=0).tolist()
    for day, of_day, created in zip(days, met, new, strict=True):
        counts[day.isoformat()]["created"][code] += made.get(day, 0)
        counts[day.isoformat()]["refreshed"][code] += of_day - created
    return sum(made.values())


def _known(
    connection: Connection, rule: Evaluated, days: Sequence[dt.date], leads: finder.Ints, data_batch: int
) -> tuple[cooldown.Known, finder.Bools]:
    """Return the rule's hits of ascending leads, and by lead and date which may have other evidence now."""
    connection.execute(text(SQL["hit_met"]))
    _copy(connection, "COPY hit_met FROM STDIN", ["\n".join(map(str, leads.tolist())).encode()])
    connection.execute(text(SQL["hit_met_analyze"]))
    follows = any(each.categories or each.regions for each in rule.definition.conditions)
    values = {
        "rule": rule.version.rule_id,
        "version": rule.version.id,
        "first": days[0],
        "last": days[-1],
        # The catalogue changes without a new batch of data.
        "data_batch": "" if follows else str(data_batch),
    }
    names = ("id", "lead", "day", "last", "stale")
    query = text(SQL["hit_known"]).columns(*(column(name, BigInteger) for name in names)).bindparams(**values)
    ids, owners, on, last, stale = integers(connection, query)
    is_stale = np.zeros((len(leads), len(days)), np.bool_)
    here = stale == 1
    is_stale[np.searchsorted(leads, owners[here]), on[here] - days[0].toordinal()] = True
    return cooldown.Known(ids, owners, on, last), is_stale


def _asked(found: finder.Met, days: finder.Ints, settled: cooldown.Settled, again: finder.Bools) -> pa.Table:
    """Return the hits for which evidence is needed, as ``evidence.lines`` expects them."""
    lead, column = np.nonzero(settled.created | again)
    last = np.where(settled.created, settled.last, days)[lead, column]
    values = {f"value_{c}": value[lead, column] for c, value in enumerate(found.values)}
    return pa.table(
        {
            "lead": found.leads[lead],
            "as_of": _dates(days[column]),
            "last_met_on": _dates(last),
            "is_new": settled.created[lead, column],
            **values,
        }
    )


def _dates(numbers: finder.Ints) -> Any:
    """Return the dates of numbers of days."""
    return (numbers - dt.date(1970, 1, 1).toordinal()).astype("datetime64[D]")


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


def store_hits(
    connection: Connection,
    settings: Settings,
    version: RuleVersion,
    definition: RuleDef,
    lines: Iterable[Buffer],
) -> dict[dt.date, int]:
    """Store hits with set-based statements. Return how many were made, by date.

    ``lines`` are hits as text for the staging table: new ones are inserted, evidence of the others refreshed.
    """
    values = {"rule": version.rule_id, "version": version.id, "today": clock.today()}
    connection.execute(text(SQL["hit_stage"]))
    _copy(connection, SQL["hit_stage_copy"], lines)
    connection.execute(text(SQL["hit_stage_analyze"]))
    _mark_holdout(connection, settings, definition)
    connection.execute(text(SQL["hit_refresh_same_day"]), values)
    made = connection.execute(text(SQL["hit_insert"]), values).tuples()
    return dict(made.all())


def _meet_later(connection: Connection, ids: finder.Ints, last: finder.Ints) -> None:
    """Note the newest date on which stored hits are met."""
    if len(ids):
        values = {"ids": ids.tolist(), "days": _dates(last).tolist()}
        connection.execute(text(SQL["hit_met_later"]), values)


def _mark_holdout(connection: Connection, settings: Settings, definition: RuleDef) -> None:
    """Mark the new hits of people whom the rule or the universal control group holds out."""
    percent = definition.holdout_percent
    if not (percent or control_share()):
        return
    lottery = Lottery(settings, definition.code)
    group_of = cache(partial(ControlGroup, settings))
    people = connection.execute(text(SQL["hit_stage_people"])).tuples()
    held = [
        (lead, day)
        for lead, day, id_hash in people
        if lottery.holds_out(id_hash, percent) or group_of(day.year).includes(id_hash)
    ]
    leads, days = [lead for lead, _day in held], [day for _lead, day in held]
    connection.execute(text(SQL["hit_stage_hold_out"]), {"leads": leads, "days": days})


def _copy(connection: Connection, statement: str, lines: Iterable[Buffer]) -> None:
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for each in lines:
            copy.write(each)
