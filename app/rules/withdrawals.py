"""Evaluation of dates that corrections of logs changed: hits that no longer hold are withdrawn.

A hit holds when its lead meets the hit's own version as of the hit date. It is judged when one of the dates
that a correction names is evaluated again, with all other hits of these dates: a new hit must not be kept
from its date by one that is about to go. Hits made from data that has the correction are not judged. What was
done on a withdrawn hit stays; it becomes live when its date is evaluated again and it holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, Integer, cast, func, select, text, true, type_coerce, update
from sqlalchemy.dialects.postgresql import array

from app.activity import store
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.leads.cube import activity_root, engine_settings, prepare, window
from app.lib import clock
from app.lib.columns import integers
from app.lib.lazy import lazy
from app.models import Hit, Lead, LogCorrection, Rule, RuleVersion, RunStatus
from app.rules import evaluate, lead_filter
from app.rules.compiled import Evaluated
from app.rules.evaluate import DAYS_AT_ONCE
from app.rules.sql import SQL
from app.rules.storing import SYSTEM, Counts
from app.segments.evaluation import Evaluation
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from app.activity import engines, query
    from app.activity import withdraw as withdrawn
    from app.activity.finder import Bools, Ints
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    engines = lazy("app.activity.engines")
    query = lazy("app.activity.query")
withdrawn = lazy("app.activity.withdraw")


def evaluate_days(
    settings: Settings,
    first: dt.date,
    last: dt.date,
    *,
    code: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Counts:
    """Withdraw the hits that corrections made untrue, then evaluate as ``evaluate.evaluate_days`` does."""
    withdraw(settings, first, last, code)
    return evaluate.evaluate_days(settings, first, last, code=code, progress=progress)


def withdraw(settings: Settings, first: dt.date, last: dt.date, code: str | None = None) -> int:
    """Judge the hits of corrections that name one of the dates, or those of one rule.

    Commits after each correction. Return how many hits were withdrawn.
    """
    wanted = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    named = LogCorrection.result["days"].has_any(array([day.isoformat() for day in wanted]))
    query_ = select(LogCorrection).where(LogCorrection.status == RunStatus.DONE, named)
    found = db.session.scalars(query_.order_by(LogCorrection.id)).all()
    return sum(_judge(settings, correction, wanted, code) for correction in found)


def _judge(settings: Settings, correction: LogCorrection, wanted: Sequence[dt.date], code: str | None) -> int:
    version = withdrawn.version_of(store.snapshot(activity_root(settings)), correction.source)
    days = sorted(map(dt.date.fromisoformat, (correction.result or {})["days"]))
    if correction.judged_at is not None:
        days = [day for day in days if day in wanted]
    untrue: list[int] = []
    for some in _near_each_other(days):
        untrue += _untrue(settings, some, version, code)
    connection = db.session.connection()
    wait_for_lock(connection, Lock.HITS)
    values = {"ids": untrue, "correction": correction.id, "system": SYSTEM, "note": _note(correction)}
    gone = int(connection.execute(text(SQL["hit_withdraw"]), values).scalar_one()) if untrue else 0
    if gone:
        connection.execute(text(SQL["hit_withdraw_calls"]), values)
    changes: dict[str, Any] = {"hits": LogCorrection.hits + gone}
    if code is None:
        changes["judged_at"] = func.coalesce(LogCorrection.judged_at, clock.now())
    if gone or correction.judged_at is None:
        db.session.execute(update(LogCorrection).where(LogCorrection.id == correction.id).values(changes))
    db.session.commit()
    return gone


def _near_each_other(days: Sequence[dt.date]) -> list[list[dt.date]]:
    """Return ascending dates in groups of a few weeks: whoever judges some reads all days between them."""
    groups: list[list[dt.date]] = []
    for day in days:
        if groups and (day - groups[-1][0]).days < DAYS_AT_ONCE:
            groups[-1].append(day)
        else:
            groups.append([day])
    return groups


def _note(correction: LogCorrection) -> str:
    """Return what the history of a hit says: the file that was corrected, and why."""
    return f"{correction.file.name} · {correction.reason}"


class _Judged(NamedTuple):
    """Hits to judge, by row: keys, versions, leads, and dates as numbers of days."""

    ids: Ints
    versions: Ints
    leads: Ints
    on: Ints


def _untrue(settings: Settings, days: Sequence[dt.date], data_batch: int, code: str | None) -> list[int]:
    """Return the hits of some dates, made from data older than a batch, that do not hold."""
    hits = _made_before(days, data_batch, code)
    if not len(hits.ids):
        return []
    keys = np.unique(hits.versions).tolist()
    rules = [Evaluated.of(db.session.get_one(RuleVersion, key)) for key in keys]
    by_rule = [hits.versions == key for key in keys]
    among = [_leads_by_day(hits, which, days) for which in by_rule]
    width = max(rule.spec.window_days for rule in rules)
    state = prepare(settings, set(window(days[-1], width + (days[-1] - days[0]).days)))
    # Searching takes a while, in which no transaction is left open.
    db.session.commit()
    holds = np.zeros(len(hits.ids), np.bool_)
    with (
        engines.opened(activity_root(settings), engine_settings(settings)) as engine,
        query.lead_activity(state, width, days[0], days[-1], engaged=engine),
    ):
        search = engine.finder([rule.spec for rule in rules], days, among)
        for first, end in search.slices():
            for which, met in zip(by_rule, search.find(first, end), strict=True):
                lead, column = np.nonzero(met.met)
                on = np.array([day.toordinal() for day in days])[column]
                holds |= which & np.isin(_cells(hits.leads, hits.on), _cells(met.leads[lead], on))
    for rule, which in zip(rules, by_rule, strict=True):
        holds &= ~which | _fits(settings, rule, hits, days)
    db.session.commit()
    return [int(key) for key in hits.ids[~holds]]


def _made_before(days: Sequence[dt.date], data_batch: int, code: str | None) -> _Judged:
    of_rule = Hit.rule_id.in_(select(Rule.id).where(Rule.code == code)) if code else true()
    made_from = func.coalesce(cast(Hit.evidence["data_batch"].astext, BigInteger), 0)
    on = type_coerce(Hit.hit_date - dt.date(1, 1, 1), Integer) + 1
    columns: list[Any] = [Hit.id, Hit.version_id, Hit.lead_id, on.label("day")]
    made = select(*columns).where(Hit.live, Hit.hit_date.in_(days), made_from < data_batch, of_rule)
    return _Judged(*integers(db.session.connection(), made))


def _leads_by_day(hits: _Judged, which: Bools, days: Sequence[dt.date]) -> dict[dt.date, pa.Table]:
    return {
        day: pa.table({"lead": np.unique(hits.leads[which & (hits.on == day.toordinal())])}) for day in days
    }


def _cells(leads: Ints, on: Ints) -> Ints:
    """Return a number for each lead and date."""
    return leads * (1 << 22) + on


def _fits(settings: Settings, rule: Evaluated, hits: _Judged, days: Sequence[dt.date]) -> Bools:
    """Return whether the leads of hits may pass the rule's filter for all that their activity says.

    What else the filter asks for is as it is today, and no matter of the logs.
    """
    found = np.ones(len(hits.ids), np.bool_)
    demand = lead_filter.activity_demanded(rule.definition.lead_filter)
    if demand is None:
        return found
    for day in days:
        passing = select(Lead.id).where(Evaluation(settings, day, day).criterion(demand))
        [leads] = integers(db.session.connection(), passing)
        found &= (hits.on != day.toordinal()) | np.isin(hits.leads, leads)
    return found
