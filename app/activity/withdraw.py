"""Corrections: a delivery is withdrawn, or replaced by another file, in one commit.

Afterwards the store is as if the delivery had never been: events that lost to one of its events count again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from app.activity import engine, store
from app.activity.cube import EVENTS, view_events
from app.activity.errors import ActivityError
from app.activity.ingest import Ingest, opened, require_timezone, write_day
from app.activity.places import Root
from app.activity.progress import Progress, silent
from app.activity.settings import EngineSettings
from app.lib.spreadsheet import printable_name

_SQL = (Path(__file__).parent / "sql" / "withdraw.sql").read_text("utf-8")
# Gathered before they are sorted for the reason given in day.sql.
_EVENTS = """
WITH gathered AS MATERIALIZED (
    FROM current_day WHERE delivery IS DISTINCT FROM getvariable('delivery')
    UNION ALL BY NAME FROM revived WHERE day = $day
)
FROM gathered ORDER BY person, happened_at, rid
"""
_DUPLICATES = """
FROM known_duplicates ANTI JOIN revived
    ON known_duplicates.rid = revived.rid AND known_duplicates.delivery IS NOT DISTINCT FROM revived.delivery
WHERE delivery IS DISTINCT FROM getvariable('delivery') ORDER BY rid, delivery
"""
#: distinguishes its files from those of the replacement, which is merged into them in the same commit
_PART = "-without"


@dataclass(frozen=True)
class Correction:
    """What a correction did: events that left, events that count instead, and the dates that changed."""

    withdrawn: int
    accepted: int
    days: list[date]


@dataclass(frozen=True)
class Outlook:
    """What a replacement would do: events that leave, and the rows of the new file.

    ``usable`` are its valid request ids, of which those of other files turn out to be duplicates when it is
    read. ``days`` are the dates of both files.
    """

    withdrawn: int
    rows: int
    usable: int
    rejected: dict[str, int]
    days: list[date]


def outlook(
    root: Root,
    digest: str,
    replacement: Path,
    *,
    timezone: str,
    now: datetime | None = None,
    settings: EngineSettings | None = None,
) -> Outlook:
    """Return what ``withdraw`` with a replacement would do; change nothing. Raises as it does."""
    record = find(store.snapshot(root), digest)
    with opened(root, settings or EngineSettings(), timezone, now) as connection:
        files = Ingest(root, connection, timezone)
        files.check(replacement)
        _require_read(files)
        counts = connection.execute(
            "SELECT rejected[1].reason, count(*), count(DISTINCT rid) FROM checked GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        days = _days(connection, "SELECT DISTINCT day FROM checked WHERE rejected IS NULL")
    old = map(date.fromisoformat, (*record["days"], *record["also"]))
    return Outlook(
        withdrawn=record["accepted"],
        rows=sum(rows for _reason, rows, _ids in counts),
        usable=sum(ids for reason, _rows, ids in counts if reason is None),
        rejected={reason: rows for reason, rows, _ids in counts if reason is not None},
        days=sorted({*days, *old}),
    )


def _require_read(files: Ingest) -> None:
    for file in files.result.files:
        if file.error is not None:
            raise file.error
        if file.status != "read":
            name = printable_name(file.path.name)
            raise ActivityError("%(file)s replaces nothing: its content was delivered before", file=name)


def find(state: store.Snapshot, digest: str) -> dict[str, Any]:
    """Return the record of the delivery that can be withdrawn. Raises ActivityError when there is none."""
    records = [record for record in store.deliveries(state) if record["digest"] == digest]
    if not records:
        raise ActivityError("no delivery with the content %(digest)s was read", digest=digest[:16])
    record = records[-1]
    if "withdrawn" in record:
        raise ActivityError("%(file)s is withdrawn already", file=record["name"])
    if "delivery" not in record:
        raise ActivityError(
            "%(file)s was read before the store kept which events came from which delivery: its events can't "
            "be told from others. Build the store again from the files that are kept to correct it.",
            file=record["name"],
        )
    return record


def withdraw(
    root: Root,
    digest: str,
    note: Mapping[str, Any],
    *,
    timezone: str,
    replacement: Path | None = None,
    now: datetime | None = None,
    settings: EngineSettings | None = None,
    progress: Callable[[Progress], None] = silent,
) -> Correction:
    """Withdraw the delivery with this digest, and add the file ``replacement`` in the same commit.

    The journal keeps ``note``, whose ``source`` becomes that of the replacement. Raises ActivityError as
    ``find`` does, when the replacement is refused or known, and when the store was built with
    another time zone.
    """
    with opened(root, settings or EngineSettings(), timezone, now) as connection:
        files = Ingest(root, connection, timezone, str(note["source"]), progress)
        if replacement is not None:
            files.check(replacement)
        store._step("files checked")
        with store.writing(root) as writer:
            require_timezone(writer.state, timezone)
            record = find(writer.state, digest)
            files.skip_known(writer.state)
            _require_read(files)
            entry = {
                **note,
                "withdraws": record["delivery"],
                "version": writer.version,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            base = _without(connection, writer, record["delivery"], entry, progress)
            changed = files.commit(writer, base, [entry])
    added = sum(file.accepted for file in files.result.files)
    days = changed | set(map(date.fromisoformat, entry["days"]))
    return Correction(entry["events"], entry["revived"] + added, sorted(days))


def result_of(state: store.Snapshot, source: str) -> Correction | None:
    """Return what the correction ``source`` has done, None when it is not committed."""
    records = store.deliveries(state)
    entries = [each["withdrawn"] for each in records if each.get("withdrawn", {}).get("source") == source]
    if not entries:
        return None
    added = [record for record in records if record["source"] == source]
    days = {*entries[0]["days"], *(day for each in added for day in (*each["days"], *each["also"]))}
    accepted = entries[0]["revived"] + sum(record["accepted"] for record in added)
    return Correction(entries[0]["events"], accepted, sorted(map(date.fromisoformat, days)))


def version_of(state: store.Snapshot, source: str) -> int:
    """Return the first version of the store with the correction ``source``, 0 when it has none."""
    entries = (record.get("withdrawn", {}) for record in store.deliveries(state))
    return next((int(each["version"]) for each in entries if each.get("source") == source), 0)


def _without(
    connection: duckdb.DuckDBPyConnection,
    writer: store.Writer,
    delivery: int,
    entry: dict[str, Any],
    progress: Callable[[Progress], None],
) -> store.Snapshot:
    """Write the dates without a delivery. Return the state without it, and complete its entry."""
    state = writer.state
    engine.tell(connection, delivery=delivery)
    numbered = [record for record in store.deliveries(state) if "delivery" in record]
    commits = {name: [record[name] for record in numbered] for name in ("delivery", "version")}
    connection.register("commits", pa.table(commits))
    view_events(connection, "existing", state, state.days.values())
    files = state.paths(state.duplicates.values())
    engine.view(connection, "known_duplicates", EVENTS, files)
    connection.execute(_SQL)
    days, duplicates = dict(state.days), dict(state.duplicates)
    changed = _days(connection, "SELECT day FROM gone UNION SELECT day FROM revived")
    state.require_room(changed)
    for done, day in enumerate(changed):
        progress(Progress("withdraw", done, len(changed)))
        old = days.pop(day, None)
        view_events(connection, "current_day", state, [old] if old else [])
        rebuilt = write_day(connection, writer, day, old, _EVENTS, _PART)
        if rebuilt:
            days[day] = rebuilt
    for day in _days(connection, "SELECT day FROM gone_duplicates UNION SELECT day FROM revived"):
        engine.view(connection, "known_duplicates", EVENTS, [state.path(duplicates.pop(day))])
        name = writer.new_file("duplicates", day, _PART)
        relation = connection.sql(_DUPLICATES)
        if relation.limit(1).fetchall():
            engine.write_relation(relation, writer.path(name))
            duplicates[day] = name
        store._step("duplicates written")
    entry |= {
        "events": connection.table("gone").shape[0],
        "revived": connection.table("revived").shape[0],
        "days": [day.isoformat() for day in changed],
        "heirs": [
            {"delivery": heir, "day": day.isoformat(), "events": events}
            for heir, day, events in connection.execute("FROM accepted_instead").fetchall()
        ],
    }
    return replace(state, days=days, duplicates=duplicates)


def _days(connection: duckdb.DuckDBPyConnection, query: str) -> list[date]:
    return [day for (day,) in connection.execute(f"{query} ORDER BY 1").fetchall()]
