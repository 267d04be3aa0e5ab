"""The layers derived from the events, as Ibis expressions, and their daily files."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa

from app.activity import engine, room, store
from app.activity.errors import ActivityError
from app.activity.places import Root, place_of
from app.activity.progress import Progress, silent
from app.activity.settings import EngineSettings

# rid: first 128 bits of SHA-256 of the request id; person: first 128 bits of the ID hash; happened_at: UTC;
# day, hour, second (within the hour): local; delivery: the number of the journal's record (store.deliveries),
# null in stores that were written before deliveries had one.
EVENTS = ibis.schema(
    {
        "rid": "uuid",
        "person": "uuid",
        "institution": "string",
        "type": "uint8",
        "happened_at": "timestamp(6)",
        "day": "date",
        "hour": "uint8",
        "second": "uint16",
        "ok": "boolean",
        "delivery": "int32",
    }
)
_COUNTED = {
    "institution": "string",
    "type": "uint8",
    "day": "date",
    "hour": "uint8",
    "ok": "boolean",
    "n": "int64",
    "first_s": "uint16",
    "last_s": "uint16",
}
ACTIVITY = ibis.schema({"person": "uuid", **_COUNTED})
LEAD_ACTIVITY = ibis.schema({"lead": "int64", **_COUNTED})
LEADS = ibis.schema({"lead": "int64", "person": "uuid"})


def activity_of(events: ibis.Table) -> ibis.Table:
    """Count events by person, institution, type, date, hour and result, with the first and last second."""
    keys = ["person", "institution", "type", "day", "hour", "ok"]
    counted = events.group_by(keys).agg(
        n=events.count(), first_s=events.second.min(), last_s=events.second.max()
    )
    return counted.select(*ACTIVITY.names).order_by(keys)


def lead_activity_of(activity: ibis.Table, leads: ibis.Table) -> ibis.Table:
    """Return the activity of people on the lead list, keyed by lead instead of person."""
    joined = activity.inner_join(leads, "person")
    return joined.select(*LEAD_ACTIVITY.names).order_by("lead", "institution", "type", "day", "hour", "ok")


def view_events(
    connection: duckdb.DuckDBPyConnection, name: str, state: store.Snapshot, days: Iterable[store.Day]
) -> None:
    """Create the view `name` of the events of `days`."""
    days = list(days)
    paths = state.paths(day.events for day in days)
    files: dict[bool, list[Path]] = {True: [], False: []}
    for day, path in zip(days, paths, strict=True):
        files[day.has_deliveries].append(path)
    if not files[False]:
        engine.view(connection, name, EVENTS, files[True])
        return
    engine.view(connection, f"{name}_told", EVENTS, files[True])
    engine.view(connection, f"{name}_untold", EVENTS, files[False])
    connection.execute(
        f"CREATE OR REPLACE VIEW {name} AS FROM {name}_told UNION ALL BY NAME FROM {name}_untold"
    )


def write_activity(connection: duckdb.DuckDBPyConnection, events: Path, file: Path) -> None:
    """Write the activity file of a date from its events file."""
    engine.view(connection, "events", EVENTS, [events])
    engine.write(connection, _activity_statement(), file)


@cache
def _activity_statement() -> engine.Statement:
    return engine.Statement(activity_of(ibis.table(EVENTS, name="events")))


def stale_days(state: store.Snapshot, days: Collection[date], fingerprint: str) -> list[date]:
    """Return the dates of `days` whose lead layer is missing or outdated for this lead list."""
    return [
        day
        for day in sorted(set(days) & state.days.keys())
        if (state.days[day].leads_fingerprint, state.days[day].leads_source)
        != (fingerprint, state.days[day].activity)
    ]


def ensure_leads(
    root: Root,
    days: Collection[date],
    fingerprint: str,
    leads: Callable[[], pa.Table | pa.RecordBatchReader],
    *,
    settings: EngineSettings | None = None,
    progress: Callable[[Progress], None] = silent,
) -> store.Snapshot:
    """Update the lead layer of `days` to the lead list named by `fingerprint`. Return the new state.

    `leads` is called only when a layer is outdated. Its columns are `lead` (integer) and `person` (at least
    the first 32 hex digits of the ID hash). Dates without events are skipped. Raises ActivityError for an
    invalid person.
    """
    state = store.snapshot(root)
    if not stale_days(state, days, fingerprint):
        return state
    with (
        engine.opened(root, settings) as connection,
        store.writing(root) as writer,
    ):
        stale = stale_days(writer.state, days, fingerprint)
        if not stale:
            return writer.state
        _require_room(writer.state, stale)
        _load_leads(connection, leads())
        built = dict(writer.state.days)
        for done, day in enumerate(stale):
            progress(Progress("leads", done, len(stale)))
            source = built[day].activity
            name = writer.new_file("leads", day)
            _write_leads(connection, writer.state.path(source), writer.path(name))
            built[day] = replace(built[day], leads=name, leads_fingerprint=fingerprint, leads_source=source)
        progress(Progress("leads", len(stale), len(stale)))
        store._step("leads written")
        return writer.commit(built)


def _require_room(state: store.Snapshot, days: Iterable[date]) -> None:
    """Raise ActivityError when there is no room for the lead layer of some dates.

    It has about the size of the former one, and never more than that of everybody's activity.
    """
    needed = state.size(state.days[day].leads or state.days[day].activity for day in days)
    room.require(place_of(state.root).folder, needed)


def _load_leads(connection: duckdb.DuckDBPyConnection, leads: pa.Table | pa.RecordBatchReader) -> None:
    connection.register("lead_list", leads)
    try:
        connection.execute(
            "CREATE TEMP TABLE leads AS SELECT CAST(lead AS BIGINT) AS lead, "
            "CAST(left(replace(CAST(person AS VARCHAR), '-', ''), 32) AS UUID) AS person FROM lead_list"
        )
    except duckdb.ConversionException as error:
        raise ActivityError(
            "the lead list holds a person that is not 32 hex digits: %(why)s", why=str(error)
        ) from error
    finally:
        connection.unregister("lead_list")


def _write_leads(connection: duckdb.DuckDBPyConnection, activity: Path, file: Path) -> None:
    engine.view(connection, "activity", ACTIVITY, [activity])
    engine.write(connection, _leads_statement(), file)


@cache
def _leads_statement() -> engine.Statement:
    activity, leads = ibis.table(ACTIVITY, name="activity"), ibis.table(LEADS, name="leads")
    return engine.Statement(lead_activity_of(activity, leads))
