"""What a simulation of a period of the past says: its numbers, and a row for each step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from app.errors import DomainError
from app.extensions import db
from app.journeys import triggers
from app.journeys.definition import Contact
from app.journeys.draw import Draw, places, threshold
from app.journeys.past import Past, clock_of
from app.journeys.plan import CHANNELS, Plan
from app.journeys.simulation import THREADS, Candidates, Rows, Tally, simulate
from app.journeys.step import STATUSES, WAITING
from app.journeys.versions import journey_def, named
from app.journeys.world import Answers, World, no_answers
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.wall_clock import date_of, number_of
from app.models import Outreach, OutreachStatus
from app.outreach.openings import NEVER
from app.segments.contacts import ANSWERED
from app.segments.filter import tests_of
from config import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np = lazy("numpy")
    pd = lazy("pandas")

Assumed = Literal["none", "all", "past"]
COLUMNS = ("lead_no", "step", "due_at", "done_at", "outcome", "why")


def simulate_past(
    code: str,
    config: Settings,
    period: tuple[dt.date, dt.date],
    assumed: Assumed,
    rows: Path | None = None,
) -> dict[str, Any]:
    """Return what a journey would have done on the days of a period; write its steps to a file.

    Answers to contacts that never were are assumed. Raises DomainError for an unknown journey, a period that
    is not over, and a file that can't be written.
    """
    if period[1] > clock.today():
        raise DomainError("The date %(day)s is in the future.", day=period[1].isoformat())
    version = named(code)
    plan = Plan(journey_def(version), Draw.of(config, code))
    found = triggers.events(plan.journey.trigger, config, clock_of(config, period), period)
    past = Past(plan, config, period, found)
    world = past.world(version.journey_id)
    world.answers = _answers(plan, world, assumed, period, config)
    days = (number_of(period[0]), number_of(period[1]))
    # Facts and activity are read as they are asked for, by the session of this thread.
    threads = (
        1 if any(True for _step, each in plan.journey.filters() for _test in tests_of(each)) else THREADS
    )
    candidates = Candidates(past.leads, found.moments)
    with _opened(rows) as file:
        sink = None if file is None else _writer(file, plan, past, config)
        tally = simulate(plan, world, candidates, days, sink, threads)
    return _numbers(plan, tally)


def _answers(
    plan: Plan, world: World, assumed: Assumed, period: tuple[dt.date, dt.date], config: Settings
) -> Answers:
    """Return the answers that are assumed: each comes at the moment of the contact."""
    if assumed == "none":
        return no_answers
    shares = _shares(period[1], config) if assumed == "past" else dict.fromkeys(CHANNELS, 100.0)

    def answers(who: Any, place: int, moments: Any) -> Any:
        step = plan.steps[place]
        drawn = places(world.bits[who], step.key, world.entered[who])
        return np.where(drawn < threshold(shares[CHANNELS[step.channel]]), moments, NEVER)

    return answers


def _shares(last: dt.date, config: Settings) -> dict[str, float]:
    """Return the percentage of contacts by each channel, up to a date, that were answered."""
    end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), config.zone)
    answered = func.count().filter(Outreach.status.in_(ANSWERED))
    query = (
        select(Outreach.channel, answered, func.count())
        .where(Outreach.sent_at < end, Outreach.status != OutreachStatus.FAILED)
        .group_by(Outreach.channel)
    )
    found = {channel: 100 * some / total for channel, some, total in db.session.execute(query).tuples()}
    return {channel: found.get(channel, 0.0) for channel in CHANNELS}


def _numbers(plan: Plan, tally: Tally) -> dict[str, Any]:
    steps = {
        step.id: {
            "entered": int(counts.sum()),
            **{STATUSES[status]: int(counts[status]) for status in range(len(STATUSES)) if status != WAITING},
        }
        for step, counts in zip(plan.steps, tally.steps, strict=True)
    }
    used = {step.definition.channel for step in plan.steps if isinstance(step.definition, Contact)}
    total = tally.contacts.sum(axis=0)
    by_day = {
        date_of(tally.first_day + day).isoformat(): {
            name: int(counts[place]) for place, name in enumerate(CHANNELS) if counts[place]
        }
        for day, counts in enumerate(tally.contacts)
        if counts.any()
    }
    return {
        "entered": tally.entered,
        "still_in": tally.still_in,
        "goal": tally.goal,
        "left": tally.left,
        "steps": steps,
        "contacts": {name: int(total[place]) for place, name in enumerate(CHANNELS) if name in used},
        "by_day": by_day,
        "outside_hours": tally.outside,
    }


def _opened(path: Path | None) -> Any:
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise DomainError("%(path)s can't be written: %(why)s", path=str(path), why=error.strerror) from error


def _writer(file: Any, plan: Plan, past: Past, config: Settings) -> Callable[[Rows], None]:
    """Return a function that appends rows to a file, times as local ones with their offset."""
    numbers = np.array(past.lead_numbers(), object)
    pd.DataFrame(columns=COLUMNS).to_csv(file, index=False)
    words = np.array([f"{word} (assumed)" if word == "answered" else word for word in plan.words], object)
    names = np.array([step.id for step in plan.steps], object)

    def local(moments: Any) -> Any:
        each = pd.Series(pd.to_datetime(moments, unit="s", utc=True)).dt.tz_convert(config.timezone)
        return each.dt.strftime("%Y-%m-%dT%H:%M:%S%z").str.replace(r"(\d\d)$", r":\1", regex=True)

    def write(rows: Rows) -> None:
        decided = rows.status != WAITING
        columns = (
            numbers[past.leads[rows.who]],
            names[rows.place],
            local(rows.due),
            np.where(decided, local(np.where(decided, rows.at, 0)), ""),
            np.array(STATUSES, object)[rows.status],
            np.where(decided, words[rows.why], ""),
        )
        table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        table.to_csv(file, index=False, header=False)

    return write
