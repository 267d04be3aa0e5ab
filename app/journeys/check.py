"""Checks of a journey beyond its form: its ways, and that what it names exists and can be used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.facts import conditions
from app.facts.conditions import FactTest
from app.journeys import strategy, strategy_tables
from app.journeys.definition import (
    Bought,
    Contact,
    DateTrigger,
    FactTrigger,
    HitTrigger,
    JourneyDef,
    OutcomeTrigger,
    SegmentTrigger,
    Strategy,
    TagStep,
    Wait,
    Webhook,
    reachable,
)
from app.models import OutreachTemplate, Rule, Segment, Target
from app.segments import check as filter_check
from app.segments.filter import AttributeTest, InteractionsTest, tests_of


@dataclass(frozen=True)
class Template:
    """A template that a contact may name."""

    channel: str
    usable: bool = True


@dataclass(frozen=True)
class Known:
    """What journeys may name, by code."""

    rules: Collection[str] = ()
    segments: Collection[str] = ()
    templates: Mapping[str, Template] = field(default_factory=dict)
    targets: Collection[str] = ()
    filters: filter_check.Known = filter_check.NOTHING
    strategies: strategy.Book = field(default_factory=strategy.Book)

    def extended(self, more: Known) -> Known:
        """Return this with more added, or replaced."""
        return Known(
            {*self.rules, *more.rules},
            {*self.segments, *more.segments},
            {**self.templates, **more.templates},
            {*self.targets, *more.targets},
            self.filters.extended(more.filters),
            self.strategies.extended(more.strategies),
        )


def read_known() -> Known:
    """Return what there is in the database. Only a template that is in use and has a text is usable."""
    return Known(
        set(db.session.scalars(select(Rule.code))),
        set(db.session.scalars(select(Segment.code).where(Segment.shared))),
        {
            row.code: Template(row.channel, row.active and bool(row.versions))
            for row in db.session.scalars(select(OutreachTemplate))
        },
        set(db.session.scalars(select(Target.code).where(Target.kind == "webhook"))),
        filter_check.read_known(),
        strategy_tables.read_book(),
    )


@dataclass(frozen=True)
class Problem:
    """Why a journey can't run, and the id of the step where, None for the journey itself."""

    step: str | None
    error: DomainError


def problems(journey: JourneyDef, known: Known) -> list[Problem]:
    """Return all reasons why a well-formed journey can't run."""
    found = [
        *of_head(journey.trigger, journey.goal, known),
        *of_steps(journey.steps, known),
        *_of_pacing(journey),
    ]
    return found or [*_of_tables(journey, known)]


def _of_pacing(journey: JourneyDef) -> Iterator[Problem]:
    """Yield which limits limit nothing. Which channels a strategy table uses may change."""
    if journey.pacing is None or journey.tables():
        return
    used = {step.channel for step in journey.steps if isinstance(step, Contact)}
    for channel in sorted(journey.pacing.channels - used):
        error = DomainError(
            "The pacing limits contacts by %(channel)s, but no step makes any.", channel=channel
        )
        yield Problem(None, error)


def _of_tables(journey: JourneyDef, known: Known) -> Iterator[Problem]:
    """Yield why a journey can't run with the steps that its strategy tables mean."""
    for place in journey.tables():
        try:
            meant = strategy.unfold(journey, known.strategies)
        except DomainError as error:
            yield Problem(place, error)
        else:
            yield from (Problem(place, each.error) for each in _own_tags(meant.steps))
        return


def of_head(trigger: Any, goal: Bought | None, known: Known) -> Iterator[Problem]:
    """Yield the problems of a trigger and a goal."""
    named: list[str] = list(goal.products) if goal else []
    match trigger:
        case HitTrigger(rules=rules):
            for code in rules:
                if code not in known.rules:
                    yield Problem(None, DomainError("There is no rule with the code %(code)s.", code=code))
        case SegmentTrigger(segment=code):
            if code not in known.segments:
                yield Problem(
                    None, DomainError("There is no shared segment with the code %(code)s.", code=code)
                )
        case FactTrigger():
            yield from _of_fact(trigger, known)
        case DateTrigger(fact=code):
            yield from _of_fact(FactTest(fact=code, op="within_days", value=0), known)
        case OutcomeTrigger(products=products):
            named += products
    for code in named:
        if code not in known.filters.products:
            yield Problem(None, DomainError("There is no product with the code %(code)s.", code=code))


def _of_fact(test: FactTest, known: Known) -> Iterator[Problem]:
    try:
        conditions.check(test, known.filters.facts)
    except DomainError as error:
        yield Problem(None, error)


def of_steps(steps: Sequence[Any], known: Known, ids: Sequence[str] | None = None) -> Iterator[Problem]:
    """Yield the problems of well-formed steps.

    ``ids`` are those of all steps when some of them are not well-formed; who gets where is unknown then.
    """
    all_ids = [step.id for step in steps] if ids is None else ids
    twice = {each for each in all_ids if all_ids.count(each) > 1}
    for each in dict.fromkeys(each for each in all_ids if each in twice):
        yield Problem(each, DomainError("Several steps have the id %(id)s.", id=each))
    for step in steps:
        for way, to in step.ways:
            if to not in all_ids:
                yield Problem(
                    step.id,
                    DomainError("%(way)s names the step %(to)s, which does not exist.", way=way, to=to),
                )
        yield from _names(step, known)
    yield from _own_tags(steps)
    if steps and not twice and len(all_ids) == len(steps):
        yield from _unreachable(steps)
        yield from _cycles(steps)


def _names(step: Any, known: Known) -> Iterator[Problem]:
    match step:
        case Contact():
            yield from (Problem(step.id, each) for each in _template(step.template, step.channel, known))
        case TagStep(add=add, remove=remove):
            for name in (*add, *remove):
                if name not in known.filters.tags:
                    yield Problem(step.id, DomainError("There is no tag “%(name)s”.", name=name))
        case Webhook(target=code):
            if code not in known.targets:
                yield Problem(
                    step.id, DomainError("There is no webhook target with the code %(code)s.", code=code)
                )
        case Strategy():
            yield from (Problem(step.id, each) for each in _table(step, known))
    for case in getattr(step, "cases", ()):
        yield from (Problem(step.id, each) for each in _filter(case.when, known))


def _filter(whole: Any, known: Known) -> Iterator[DomainError]:
    yield from filter_check.problems(whole, known.filters)
    for test in tests_of(whole) if whole else ():
        if isinstance(test, InteractionsTest) and test.interactions > 1:
            yield DomainError("A journey can't count interactions beyond the first yet.")


def _table(step: Strategy, known: Known) -> Iterator[DomainError]:
    """Yield why the strategy table of a step can't be used."""
    table = known.strategies.tables.get(step.table)
    if table is None:
        yield DomainError("There is no strategy table with the code %(code)s.", code=step.table)
    else:
        yield from (strategy.said_of(each, table) for each in of_table(table, known))


def of_table(table: strategy.TableDef, known: Known) -> Iterator[strategy.RowProblem]:
    """Yield why a strategy table can't be used."""
    yield from strategy.problems(table, known.strategies)
    for number, row in enumerate(table.rows, 1):
        if row.template is not None:
            found = _template(row.template, row.channel, known)
            yield from (strategy.RowProblem(number, each) for each in found)
        for code in row.segments:
            tests = _filter(known.strategies.segments.get(code), known)
            yield from (strategy.RowProblem(number, each) for each in tests)


def _own_tags(steps: Sequence[Any]) -> Iterator[Problem]:
    """Yield the branches that ask for tags which the journey changes: a simulation changes none."""
    own = {name for step in steps if isinstance(step, TagStep) for name in (*step.add, *step.remove)}
    for step in steps:
        tests = [test for case in getattr(step, "cases", ()) for test in tests_of(case.when)]
        asked = {name for each in tests if isinstance(each, AttributeTest) for name in each.in_}
        for name in sorted(own & asked):
            error = DomainError(
                "The journey itself changes the tag “%(name)s”, so no branch can ask for it yet.", name=name
            )
            yield Problem(step.id, error)


def _template(code: str, channel: str, known: Known) -> Iterator[DomainError]:
    found = known.templates.get(code)
    if found is None:
        yield DomainError("There is no template with the code %(code)s.", code=code)
    elif found.channel != channel:
        yield DomainError(
            "The template %(code)s is for the channel %(theirs)s, not %(ours)s.",
            code=code,
            theirs=found.channel,
            ours=channel,
        )
    elif not found.usable:
        yield DomainError("The template %(code)s is not approved for use.", code=code)


def _unreachable(steps: Sequence[Any]) -> Iterator[Problem]:
    reached = reachable(steps)
    for step in steps:
        if step.id not in reached:
            yield Problem(step.id, DomainError("Nobody can reach the step %(id)s.", id=step.id))


def takes_time(step: Any, way: str) -> bool:
    """Return whether whoever takes a way on from a step has waited: an event may come at once."""
    return isinstance(step, Wait) and (way == "timeout" or step.until is None)


def _cycles(steps: Sequence[Any]) -> Iterator[Problem]:
    """Yield each group of steps through which somebody could go round without waiting, at its first step."""
    order = [step.id for step in steps]
    ahead = {step.id: [to for way, to in step.ways if not takes_time(step, way)] for step in steps}
    beyond = {each: _beyond(each, ahead) for each in order}
    told = set[str]()
    for each in order:
        if each in beyond[each] and each not in told:
            group = [other for other in order if other in beyond[each] and each in beyond.get(other, ())]
            told |= set(group)
            yield Problem(
                each, DomainError("The steps %(steps)s are a cycle without a wait.", steps=", ".join(group))
            )


def goes_round(steps: Sequence[Any]) -> bool:
    """Return whether somebody may come to the same step twice."""
    ahead = {step.id: [to for _way, to in step.ways] for step in steps}
    return any(each in _beyond(each, ahead) for each in ahead)


def _beyond(start: str, ahead: Mapping[str, Sequence[str]]) -> set[str]:
    found, left = set[str](), list(ahead[start])
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left += ahead.get(each, ())
    return found
