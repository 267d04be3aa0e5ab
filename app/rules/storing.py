"""Storing of hits: who of the leads that meet rules gets one, with which evidence, many at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import BigInteger, Connection, column, text

from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.lib import clock
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.rules import cooldown, evidence
from app.rules.compiled import Evaluated, score_of
from app.rules.control_group import ControlGroup
from app.rules.control_group import share as control_share
from app.rules.holdout import Lottery
from app.rules.sql import SQL
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import engines, finder, query
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    query = lazy("app.activity.query")

T = TypeVar("T")
#: hits whose evidence is written at once
ROWS_AT_ONCE = 50_000
#: staged hits that are inserted at once, in a transaction for which moves of leads wait
HITS_AT_ONCE = 100_000
#: who takes the steps of the product itself in the history of hits
SYSTEM = "system"
#: date → kind → rule → number
Counts: TypeAlias = dict[str, dict[str, dict[str, int]]]
Buffer: TypeAlias = bytes | memoryview


class Found(NamedTuple):
    """Who meets rules as of dates, by rule, and the engine that found it in a version of the data."""

    engine: engines.Engine
    data_batch: int
    rules: Sequence[Evaluated]
    days: Sequence[dt.date]
    mets: Sequence[finder.Met]


class _Settled(NamedTuple):
    """What becomes of the leads that meet a rule, and for which hits evidence is asked."""

    rule: Evaluated
    met: finder.Met
    settled: cooldown.Settled
    asked: pa.Table
    #: whether some hits of the leads are withdrawn
    restores: bool


def store(
    settings: Settings,
    found: Found,
    ahead: Executor,
    counts: Counts,
    then: Callable[[], None] = lambda: None,
) -> Iterator[float]:
    """Make and refresh hits, add to the counts, and yield the share that is done.

    The engine makes the evidence ``ahead``, in the one thread that uses it, where ``then`` is called when all
    is made. Other evaluations wait. A kill leaves some hits stored and others not: the next evaluation of the
    same dates stores the rest.
    """
    # Held until all are stored, while the hits are committed some at a time. A connection each: two
    # transactions at once would wait for each other's customers.
    with db.engine.begin() as holder:
        wait_for_lock(holder, Lock.HITS)
        connection = db.session.connection()
        settled = [_settle(connection, *each, found) for each in zip(found.rules, found.mets, strict=True)]
        _meet_later(connection, settled)
        for each in settled:
            _count(each, found.days, counts)
        codes = {each.rule.version_id: each.rule.definition.code for each in settled}
        db.session.commit()
        total = sum(each.asked.num_rows for each in settled)
        staged = stored = made = 0
        for rows, lines in _ahead(ahead, _evidence(found, settled, then)):
            connection = db.session.connection()
            if not staged:
                connection.execute(text(SQL["hit_stage"]))
            _copy(connection, SQL["hit_stage_copy"], lines)
            staged += rows
            if staged >= HITS_AT_ONCE or stored + staged == total:
                for version, day, n in _insert_staged(connection, settings, settled):
                    counts[day.isoformat()]["created"][codes[version]] += n
                    made += n
                db.session.commit()
                stored, staged = stored + staged, 0
                yield stored / total
    if made:
        db.session.execute(text(SQL["hit_analyze"]))
        db.session.commit()


def _ahead(pool: Executor, items: Iterator[T]) -> Iterator[T]:
    """Yield items, each of which the pool makes while the one before is used."""
    waiting = pool.submit(next, items, None)
    while (item := waiting.result()) is not None:
        waiting = pool.submit(next, items, None)
        yield item


def _settle(connection: Connection, rule: Evaluated, met: finder.Met, found: Found) -> _Settled:
    known, withdrawn, is_stale = _known(connection, rule, found.days, met.leads, found.data_batch)
    numbers = np.array([day.toordinal() for day in found.days])
    settled = cooldown.settle(met.leads, met.met, numbers, known, rule.definition.cooldown_days, withdrawn)
    asked = _asked(met, numbers, settled, settled.again & is_stale)
    return _Settled(rule, met, settled, asked, len(withdrawn.ids) > 0)


def _known(
    connection: Connection, rule: Evaluated, days: Sequence[dt.date], leads: finder.Ints, data_batch: int
) -> tuple[cooldown.Known, cooldown.Known, finder.Bools]:
    """Return the rule's hits of ascending leads, withdrawn ones, and which may have other evidence now.

    The last is by lead and date.
    """
    connection.execute(text(SQL["hit_met"]))
    connection.execute(text(SQL["hit_met_empty"]))
    _copy(connection, "COPY hit_met FROM STDIN", ["\n".join(map(str, leads.tolist())).encode()])
    connection.execute(text(SQL["hit_met_analyze"]))
    follows = any(each.categories or each.regions for each in rule.definition.conditions)
    values = {
        "rule": rule.rule_id,
        "version": rule.version_id,
        "first": days[0],
        "last": days[-1],
        # The catalogue changes without a new batch of data.
        "data_batch": "" if follows else str(data_batch),
    }
    names = ("id", "lead", "day", "last", "state")
    known = text(SQL["hit_known"]).columns(*(column(name, BigInteger) for name in names)).bindparams(**values)
    *hits, state = integers(connection, known)
    counted, withdrawn, stale = (
        cooldown.Known(*(each[which] for each in hits)) for which in (state != 2, state == 2, state == 1)
    )
    is_stale = np.zeros((len(leads), len(days)), np.bool_)
    is_stale[np.searchsorted(leads, stale.leads), stale.on - days[0].toordinal()] = True
    return counted, withdrawn, is_stale


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


def _evidence(
    found: Found, settled: Sequence[_Settled], then: Callable[[], None]
) -> Iterator[tuple[int, list[memoryview]]]:
    """Yield hits as text for the staging table, after their number."""
    leads = [each.asked["lead"].to_numpy() for each in settled]
    if any(map(len, leads)):
        with found.engine.holding("among", pa.table({"lead": np.unique(np.concatenate(leads))})):
            found.engine.keep("caught", query.lead_table(only_among=True))
    for rule, _met, _settled, asked, _restores in settled:
        form = evidence.Format.of(rule.version_id, rule.definition, rule.spec, score_of(rule.definition))
        for start in range(0, asked.num_rows, ROWS_AT_ONCE):
            some = asked.slice(start, ROWS_AT_ONCE)
            yield some.num_rows, evidence.lines(found.engine, "caught", some, form, found.data_batch)
    then()


def _insert_staged(
    connection: Connection, settings: Settings, settled: Sequence[_Settled]
) -> list[tuple[int, dt.date, int]]:
    """Insert the new hits, or make them live again, and refresh the others.

    Return versions, dates and numbers of those made.
    """
    connection.execute(text(SQL["hit_stage_analyze"]))
    for each in settled:
        _mark_holdout(connection, settings, each.rule)
    connection.execute(text(SQL["hit_refresh_same_day"]))
    connection.execute(text(SQL["hit_gate"]))
    made: list[Any] = []
    if any(each.restores for each in settled):
        made += connection.execute(text(SQL["hit_restore"]), {"system": SYSTEM}).all()
    made += connection.execute(text(SQL["hit_insert"]), {"today": clock.today()}).all()
    return [(version, day, n) for version, day, n in made]


def _count(settled: _Settled, days: Sequence[dt.date], counts: Counts) -> None:
    """Count the leads that meet the rule without a new hit."""
    met_again = settled.met.met.sum(axis=0) - settled.settled.created.sum(axis=0)
    for day, n in zip(days, met_again.tolist(), strict=True):
        counts[day.isoformat()]["refreshed"][settled.rule.definition.code] += n


def _meet_later(connection: Connection, settled: Sequence[_Settled]) -> None:
    """Note the newest date on which stored hits are met."""
    later = zip(*(each.settled.met_later for each in settled), strict=True)
    ids, last = map(np.concatenate, later)
    if len(ids):
        values = {"ids": ids.tolist(), "days": _dates(last).tolist()}
        connection.execute(text(SQL["hit_met_later"]), values)


def _mark_holdout(connection: Connection, settings: Settings, rule: Evaluated) -> None:
    """Mark the new hits of people whom the rule or the universal control group holds out."""
    percent, version = rule.definition.holdout_percent, rule.version_id
    if not (percent or control_share()):
        return
    lottery = Lottery(settings, rule.definition.code)
    group_of = cache(partial(ControlGroup, settings))
    people = connection.execute(text(SQL["hit_stage_people"]), {"version": version}).tuples()
    held = [
        (lead, day)
        for lead, day, id_hash in people
        if lottery.holds_out(id_hash, percent) or group_of(day.year).includes(id_hash)
    ]
    leads, days = [lead for lead, _day in held], [day for _lead, day in held]
    connection.execute(text(SQL["hit_stage_hold_out"]), {"version": version, "leads": leads, "days": days})


def _copy(connection: Connection, statement: str, lines: Iterable[Buffer]) -> None:
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        for each in lines:
            copy.write(each)
