"""What a simulation of a period of the past says: its numbers, and a row for each step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from app.errors import DomainError
from app.extensions import db
from app.journeys import triggers
from app.journeys.definition import Contact, JourneyDef
from app.journeys.draw import Draw, places, threshold
from app.journeys.past import Past, clock_of
from app.journeys.plan import CHANNELS, Plan
from app.journeys.simulation import THREADS, Callers, Candidates, Rows, Tally, simulate
from app.journeys.step import STATUSES, WAITING
from app.journeys.versions import journey_def
from app.journeys.world import Answers, World, no_answers
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.wall_clock import date_of, number_of
from app.models import JourneyVersion, Outreach, OutreachStatus
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


@dataclass(frozen=True)
class Replay:
    """A journey and what is recorded of a past period, ready to be simulated.

    ``shares`` are the percentages of contacts that are assumed to be answered, by channel.
    """

    plan: Plan
    past: Past
    world: World
    candidates: Candidates
    days: tuple[int, int]
    shares: dict[str, float]

    @classmethod
    def of(
        cls,
        journey_id: int,
        definition: JourneyDef,
        config: Settings,
        period: tuple[dt.date, dt.date],
        assumed: Assumed,
    ) -> Replay:
        """Read what is known of those who could have entered. Raises DomainError as ``check_period``."""
        check_period(period)
        plan = Plan(definition, Draw.of(config, definition.code))
        found = triggers.events(plan.journey.trigger, config, clock_of(config, period), period)
        past = Past(plan, config, period, found)
        world = past.world(journey_id)
        shares = _shares(assumed, period[1], config)
        world.answers = _answers(plan, world, shares)
        days = (number_of(period[0]), number_of(period[1]))
        return cls(plan, past, world, Candidates(past.leads, found.moments), days, shares)

    def run(
        self,
        sink: Callable[[Rows], None] | None = None,
        callers: Callers | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Tally:
        """Simulate, with the arguments of ``simulate``."""
        # Facts and activity are read as they are asked for, by the session of this thread.
        asks = any(True for _step, each in self.plan.journey.filters() for _test in tests_of(each))
        threads = 1 if asks else THREADS
        return simulate(self.plan, self.world, self.candidates, self.days, sink, threads, callers, report)

    def numbers(self, tally: Tally) -> dict[str, Any]:
        """Return the numbers of a simulation, as the contract of the command names them."""
        return _numbers(self.plan, tally)


def check_period(period: tuple[dt.date, dt.date]) -> None:
    """Raise DomainError for a period that isn't over."""
    if period[1] > clock.today():
        raise DomainError("The date %(day)s is in the future.", day=period[1].isoformat())


def simulate_past(
    version: JourneyVersion,
    config: Settings,
    period: tuple[dt.date, dt.date],
    assumed: Assumed,
    rows: Path | None = None,
) -> dict[str, Any]:
    """Return what a version would have done on the days of a period; write its steps to a file.

    Answers to contacts that never were are assumed. Raises DomainError for a period that is not over, and a
    file that can't be written.
    """
    replay = Replay.of(version.journey_id, journey_def(version), config, period, assumed)
    with _opened(rows) as file:
        return replay.numbers(replay.run(None if file is None else _writer(file, replay, config)))


def _answers(plan: Plan, world: World, shares: dict[str, float]) -> Answers:
    """Return the answers that are assumed: each comes at the moment of the contact."""
    if not any(shares.values()):
        return no_answers

    def answers(who: Any, place: int, moments: Any) -> Any:
        step = plan.steps[place]
        drawn = places(world.bits[who], step.key, world.entered[who])
        return np.where(drawn < threshold(shares[CHANNELS[step.channel]]), moments, NEVER)

    return answers


def _shares(assumed: Assumed, last: dt.date, config: Settings) -> dict[str, float]:
    """Return the percentage of contacts by each channel that are assumed to be answered.

    Those of the past are of the contacts up to a date.
    """
    if assumed != "past":
        return dict.fromkeys(CHANNELS, 100.0 if assumed == "all" else 0.0)
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
        **_postponed(plan, tally),
    }


def _postponed(plan: Plan, tally: Tally) -> dict[str, Any]:
    """Return how many contacts of a paced journey have a later day than they would have without pacing."""
    if not plan.paced:
        return {}
    return {
        "postponed": {
            name: int(n) for name, n in zip(CHANNELS, tally.later, strict=True) if name in plan.paced
        }
    }


def _opened(path: Path | None) -> Any:
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise DomainError("%(path)s can't be written: %(why)s", path=str(path), why=error.strerror) from error


def _writer(file: Any, replay: Replay, config: Settings) -> Callable[[Rows], None]:
    """Return a function that appends rows to a file."""
    in_words = worded(replay, config)
    pd.DataFrame(columns=COLUMNS).to_csv(file, index=False)
    return lambda rows: in_words(rows).to_csv(file, index=False, header=False)


def worded(replay: Replay, config: Settings) -> Callable[[Rows], Any]:
    """Return a function that returns rows as a table of texts, times as local ones with their offset."""
    plan, past = replay.plan, replay.past
    numbers = np.array(past.lead_numbers(), object)
    words = np.array([f"{word} (assumed)" if word == "answered" else word for word in plan.words], object)
    names = np.array([step.id for step in plan.steps], object)

    def local(moments: Any) -> Any:
        each = pd.Series(pd.to_datetime(moments, unit="s", utc=True)).dt.tz_convert(config.timezone)
        return each.dt.strftime("%Y-%m-%dT%H:%M:%S%z").str.replace(r"(\d\d)$", r":\1", regex=True)

    def in_words(rows: Rows) -> Any:
        decided = rows.status != WAITING
        columns = (
            numbers[past.leads[rows.who]],
            names[rows.place],
            local(rows.due),
            np.where(decided, local(np.where(decided, rows.at, 0)), ""),
            np.array(STATUSES, object)[rows.status],
            np.where(decided, words[rows.why], ""),
        )
        return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    return in_words
