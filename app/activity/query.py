"""Queries of the store: leads that meet a rule and why, values of conditions, and counts of events."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import ibis
import pyarrow as pa

from app.activity import conditions, engine, engines
from app.activity.cube import ACTIVITY, LEAD_ACTIVITY
from app.activity.engines import Engine
from app.activity.errors import ActivityError
from app.activity.score import Score, scored
from app.activity.settings import EngineSettings
from app.activity.spec import RuleSpec
from app.activity.store import Snapshot

#: more than the rules that a bank has in force
STATEMENTS_KEPT = 256
_SEEN = "struct<institutions: array<string>, first_at: timestamp(6), last_at: timestamp(6)>"
#: the date and the lead that a statement asks about
AS_OF = engine.parameter("as_of", date)
LEAD = engine.parameter("queried_lead", int)
# One row per lead and date. `values` and `by_condition` have one entry per condition, in order: the value,
# and the institutions and the first and last time of the events that the condition counts. The other columns
# describe the events that at least one condition counts, each once. Times are local; the score is the sum
# over `by_type_age`.
EVALUATED = ibis.schema(
    {
        "lead": "int64",
        "as_of": "date",
        "values": "array<int64>",
        "by_condition": f"array<{_SEEN}>",
        "calls": "int64",
        "institutions": "array<string>",
        "first_at": "timestamp(6)",
        "last_at": "timestamp(6)",
        "score": "float64",
        "by_type_age": "array<struct<event_type: string, age_days: int64, n: int64>>",
    }
)


def evaluate(
    snapshot: Snapshot,
    spec: RuleSpec,
    as_of: date,
    score: Score,
    *,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return the leads that meet the rule as of a date, as rows of EVALUATED ordered by lead.

    `among`, a table with a column `lead`, limits the query to these leads. Raises ActivityError when the lead
    layer of a date in the window is missing or outdated (see `cube.ensure_leads`).
    """
    with lead_activity(snapshot, spec.window_days, as_of, as_of, among, settings) as activity:
        return activity.run(_evaluation(spec, score, only_among=among is not None), as_of=as_of)


def explain(
    snapshot: Snapshot,
    spec: RuleSpec,
    as_of: date,
    lead: int,
    score: Score,
    *,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return the row of `evaluate` for one lead, even if it doesn't meet the rule or has no event."""
    with lead_activity(snapshot, spec.window_days, as_of, as_of, None, settings) as activity:
        table = activity.run(_explanation(spec, score), as_of=as_of, queried_lead=lead)
    if table.num_rows:
        return table
    return pa.Table.from_pylist([_nothing(lead, as_of, len(spec.conditions))], schema=table.schema)


def _nothing(lead: int, as_of: date, conditions: int) -> dict[str, Any]:
    return {
        "lead": lead,
        "as_of": as_of,
        "values": [0] * conditions,
        "by_condition": [{"institutions": []}] * conditions,
        "calls": 0,
        "institutions": [],
        "score": 0.0,
        "by_type_age": [],
    }


def rows_by_day_and_institution(
    snapshot: Snapshot, first: date, last: date, *, settings: EngineSettings | None = None
) -> list[tuple[date, str, int]]:
    """Return the number of events by local date and institution code for first … last, in this order."""

    def count(activity: ibis.Table) -> ibis.Table:
        counted = activity.group_by(["day", "institution"]).agg(n=activity.n.sum())
        return counted.order_by("day", "institution")

    table = _run_on_activity(snapshot, _between(snapshot, first, last), count, settings)
    return [(row["day"], row["institution"], row["n"]) for row in table.to_pylist()]


def institutions(
    snapshot: Snapshot, days: Collection[date] | None = None, *, settings: EngineSettings | None = None
) -> list[str]:
    """Return the sorted institution codes with events on `days` (by default on any)."""
    selected = sorted(snapshot.days if days is None else snapshot.days.keys() & set(days))
    table = _run_on_activity(
        snapshot, selected, lambda activity: activity.select("institution").distinct(), settings
    )
    return sorted(table["institution"].to_pylist())


def person_days(
    snapshot: Snapshot, person: str, first: date, last: date, *, settings: EngineSettings | None = None
) -> list[tuple[date, int, int]]:
    """Return the events and distinct institutions of a person on each date of first … last that has any.

    `person` is at least the first 32 hex digits of the ID hash. The lead layer is not used.
    """
    key = ibis.literal(str(UUID(person[:32])), type="uuid")

    def count(activity: ibis.Table) -> ibis.Table:
        own = activity.filter(activity.person == key)
        counted = own.group_by("day").agg(n=own.n.sum(), institutions=own.institution.nunique())
        return counted.order_by("day")

    table = _run_on_activity(snapshot, _between(snapshot, first, last), count, settings)
    return [(row["day"], row["n"], row["institutions"]) for row in table.to_pylist()]


def person_institutions(
    snapshot: Snapshot, person: str, first: date, last: date, *, settings: EngineSettings | None = None
) -> list[tuple[date, str, int]]:
    """Return the events of a person by date of first … last and institution, by date.

    `person` and the layer are as in `person_days`.
    """
    key = ibis.literal(str(UUID(person[:32])), type="uuid")

    def count(activity: ibis.Table) -> ibis.Table:
        own = activity.filter(activity.person == key)
        return own.group_by("day", "institution").agg(n=own.n.sum()).order_by("day", "institution")

    table = _run_on_activity(snapshot, _between(snapshot, first, last), count, settings)
    return [(row["day"], row["institution"], row["n"]) for row in table.to_pylist()]


def lead_values(
    snapshot: Snapshot,
    spec: RuleSpec,
    as_of: date,
    *,
    only_met: bool = True,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
) -> pa.Table:
    """Return `lead` and the values `value_0`, `value_1` … of the conditions as of a date, without evidence.

    The leads are those that meet the rule or, without `only_met`, all with an event in its window. `among`
    and the exceptions are as in `evaluate`.
    """
    with lead_activity(snapshot, spec.window_days, as_of, as_of, among, settings) as activity:
        return activity.run(_values(spec, only_met=only_met, only_among=among is not None), as_of=as_of)


# Compiling a rule takes longer than its answer on a small day, and it is asked about many dates and leads.
@lru_cache(maxsize=STATEMENTS_KEPT)
def _evaluation(spec: RuleSpec, score: Score, *, only_among: bool) -> engine.Statement:
    return engine.Statement(_evaluated(lead_table(only_among), spec, score, only_met=True))


@lru_cache(maxsize=STATEMENTS_KEPT)
def _explanation(spec: RuleSpec, score: Score) -> engine.Statement:
    activity = lead_table(only_among=False)
    return engine.Statement(_evaluated(activity.filter(activity.lead == LEAD), spec, score, only_met=False))


@lru_cache(maxsize=STATEMENTS_KEPT)
def _values(spec: RuleSpec, *, only_met: bool, only_among: bool) -> engine.Statement:
    counted = conditions.values(lead_table(only_among), spec, [AS_OF])
    is_selected = conditions.met(counted, spec, 0) if only_met else counted.seen_0
    values = {f"value_{c}": counted[f"value_0_{c}"] for c in range(len(spec.conditions))}
    return engine.Statement(counted.filter(is_selected).select("lead", **values))


def _evaluated(activity: ibis.Table, spec: RuleSpec, score: Score, *, only_met: bool) -> ibis.Table:
    counted = conditions.values(activity, spec, [AS_OF])
    if only_met:
        counted = counted.filter(conditions.met(counted, spec, 0))
    values = {f"value_{c}": counted[f"value_0_{c}"] for c in range(len(spec.conditions))}
    asked = counted.select("lead", as_of=AS_OF, **values)
    return explained(activity, asked, spec, score).order_by("lead")


def explained(
    activity: ibis.Table, asked: ibis.Table, spec: RuleSpec, score: Score, *kept: str
) -> ibis.Table:
    """Return rows of EVALUATED for the rows of `asked`: leads and dates with the values of the conditions.

    Its columns are `lead`, `as_of`, `value_0`, `value_1` … and those of `kept`, which are returned as well.
    """
    rows = activity.inner_join(asked.select("lead", "as_of"), "lead")
    rows = conditions.evidence(rows, spec, rows.as_of)
    joined = asked
    for part in (_facts(rows, spec), scored(rows, score)):
        joined = joined.left_join(part, ["lead", "as_of"]).drop("lead_right", "as_of_right")
    computed = joined.mutate(
        values=ibis.array([joined[f"value_{c}"].cast("int64") for c in range(len(spec.conditions))]),
        by_condition=ibis.array([_seen_by(joined, c) for c in range(len(spec.conditions))]),
        calls=joined.calls.fill_null(0),
        institutions=joined.institutions.fill_null(ibis.literal([], EVALUATED["institutions"])),
        score=joined.score.fill_null(0.0),
        by_type_age=joined.by_type_age.fill_null(ibis.literal([], EVALUATED["by_type_age"])),
    )
    return computed.select(*EVALUATED.names, *kept)


def _facts(rows: ibis.Table, spec: RuleSpec) -> ibis.Table:
    """Return calls, institutions and first and last time by lead and date, also by condition."""
    hour = rows.day.cast("timestamp") + rows.hour.cast("int64").as_interval("h")
    first_at = hour + rows.first_s.cast("int64").as_interval("s")
    last_at = hour + rows.last_s.cast("int64").as_interval("s")
    own: dict[str, ibis.Value] = {}
    for c, condition in enumerate(spec.conditions if _have_own_events(spec) else ()):
        counts = conditions.counts(rows, condition, rows.as_of)
        own[f"institutions_{c}"] = rows.institution.collect(where=counts, distinct=True).sort()
        own[f"first_at_{c}"] = first_at.min(where=counts)
        own[f"last_at_{c}"] = last_at.max(where=counts)
    facts = rows.group_by("lead", "as_of").agg(
        calls=rows.n.sum(),
        institutions=rows.institution.collect(distinct=True).sort(),
        first_at=first_at.min(),
        last_at=last_at.max(),
        **own,
    )
    if own:
        return facts
    return facts.mutate(**{f"{name}_0": facts[name] for name in ("institutions", "first_at", "last_at")})


def _have_own_events(spec: RuleSpec) -> bool:
    """Return whether the events that a condition counts may be others than those of the whole rule."""
    return len(spec.conditions) > 1


def _seen_by(facts: ibis.Table, c: int) -> ibis.Value:
    """Return institutions and first and last time of the events that the condition of index c counts."""
    nowhere = ibis.literal([], EVALUATED["institutions"])
    return ibis.struct(
        {
            "institutions": facts[f"institutions_{c}"].fill_null(nowhere),
            "first_at": facts[f"first_at_{c}"],
            "last_at": facts[f"last_at_{c}"],
        }
    )


@contextmanager
def lead_activity(
    snapshot: Snapshot,
    window_days: int,
    first: date,
    last: date,
    among: pa.Table | None = None,
    settings: EngineSettings | None = None,
    engaged: Engine | None = None,
) -> Iterator[Engine]:
    """Yield an engine on which `lead_table` has the windows as of the dates first … last.

    `among` and the exceptions are as in `evaluate`. An `engaged` engine of `engines.opened` serves many calls
    of one thread.
    """
    days = _between(snapshot, first - timedelta(days=window_days - 1), last)
    stale = [day for day in days if snapshot.days[day].leads_source != snapshot.days[day].activity]
    lists = {snapshot.days[day].leads_fingerprint for day in days}
    if stale or len(lists) > 1:
        raise ActivityError(
            "the lead activity of %(days)s is not up to date", days=", ".join(map(str, stale or days))
        )
    files = snapshot.paths(str(snapshot.days[day].leads) for day in days)
    with nullcontext(engaged) if engaged else engines.opened(snapshot.root, settings) as activity:
        activity.view("lead_activity", LEAD_ACTIVITY, files)
        with nullcontext() if among is None else activity.holding("among", among):
            yield activity


def lead_table(only_among: bool) -> ibis.Table:
    """Return the lead activity that `lead_activity` makes, limited to its `among` if it was given one."""
    activity = ibis.table(LEAD_ACTIVITY, name="lead_activity")
    return activity.semi_join(ibis.table({"lead": "int64"}, name="among"), "lead") if only_among else activity


def _run_on_activity(
    snapshot: Snapshot,
    days: Sequence[date],
    question: Callable[[ibis.Table], ibis.Table],
    settings: EngineSettings | None,
) -> pa.Table:
    with engine.opened(snapshot.root, settings) as connection:
        files = snapshot.paths(snapshot.days[day].activity for day in days)
        engine.view(connection, "activity", ACTIVITY, files)
        return engine.run(connection, question(ibis.table(ACTIVITY, name="activity")))


def _between(snapshot: Snapshot, first: date, last: date) -> list[date]:
    return [day for day in sorted(snapshot.days) if first <= day <= last]
