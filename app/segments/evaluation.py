"""Filters of leads as criteria of the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial, reduce
from operator import and_ as both
from operator import or_ as either
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, true

from app.activity import store
from app.activity.operators import Operator
from app.activity.spec import RuleSpec
from app.facts import catalogue, conditions
from app.facts.conditions import FactTest
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.lazy import lazy
from app.models import Branch, Hit, HitStatus, Lead, LeadTag, Outcome, Product, Rule, Tag
from app.segments import activity, contacts
from app.segments.filter import (
    ANY,
    AllOf,
    AnsweredTest,
    AnyOf,
    AttributeTest,
    ContactedTest,
    CreatedTest,
    HitFilter,
    HitTest,
    InteractionsTest,
    MetricTest,
    NotOf,
    OptedOutTest,
    OutcomeTest,
    fact_tests,
    tests_of,
)
from app.segments.marks import Marks
from config import Settings

if TYPE_CHECKING:
    import numpy as np

    from app.facts import matching
else:
    np = lazy("numpy")
    matching = lazy("app.facts.matching")


class Evaluation:
    """Evaluates filters as of a date, attributes as they are today."""

    def __init__(self, settings: Settings, as_of: dt.date, through: dt.date) -> None:
        """Windows of activity end with ``through``, the last complete day."""
        self._settings, self._as_of, self._through = settings, as_of, through
        self._marks: dict[str, Marks] = {}

    def criterion(self, whole: Any) -> ColumnElement[bool]:
        """Return a criterion on Lead for a filter. Raises DomainError when it tests a fact that is gone."""
        return self.criteria([whole])[0]

    def criteria(self, wholes: Sequence[Any]) -> list[ColumnElement[bool]]:
        """Do the same for several filters, whose facts are read in one pass."""
        self._read_facts(wholes)
        return [self._criterion(whole) for whole in wholes]

    def marks(self, whole: Any) -> Marks | None:
        """Return the leads that a filter of facts alone admits, None for another filter."""
        if not _is_of_facts(whole):
            return None
        self._read_facts([whole])
        return self._marks[_key(whole)]

    def _read_facts(self, wholes: Sequence[Any]) -> None:
        """Find who passes the parts that test facts alone, all in one pass."""
        found = (part for whole in wholes for part in _of_facts(whole))
        parts = {_key(part): part for part in found if _key(part) not in self._marks}
        if not parts:
            return
        tests = [test for part in parts.values() for test in fact_tests(part)]
        facts = catalogue.definitions()
        by_code = {fact.code: fact for fact in facts.values()}
        for test in tests:
            conditions.check_usable(test, by_code)
        state = store.snapshot(activity_root(self._settings))
        columns = {fact.code: each for fact, each in zip(facts.values(), columns_of(facts), strict=True)}
        wanted = [partial(_joined, part) for part in parts.values()]
        settings = engine_settings(self._settings)
        passed = matching.passing(state, wanted, tests, columns, self._as_of, settings=settings)
        for key, passing in zip(parts, passed, strict=True):
            self._marks[key] = Marks(passing.bits, passing.beyond)

    def _criterion(self, part: Any) -> ColumnElement[bool]:
        if _is_of_facts(part):
            return self._marks[_key(part)].criterion()
        match part:
            case AllOf(all=parts):
                return and_(*map(self._criterion, parts))
            case AnyOf(any=parts):
                return or_(*map(self._criterion, parts))
            case NotOf(not_=inner):
                return not_(func.coalesce(self._criterion(inner), False))
            case AttributeTest():
                return _attribute(part)
            case HitTest(hits=hits):
                return has_hit(hits, self._as_of)
            case OutcomeTest():
                return _bought(part, self._as_of)
            case ContactedTest(contacted=channel):
                return Lead.id.in_(contacts.contacted(_channel(channel), self._period(part)))
            case AnsweredTest(answered=channel):
                return Lead.id.in_(contacts.answered(_channel(channel), self._period(part)))
            case InteractionsTest(interactions=number):
                return Lead.id.in_(contacts.answered(None, self._period(part), number))
            case OptedOutTest(opted_out=opted_out):
                return Lead.opted_out.is_(opted_out)
            case CreatedTest(created=period):
                return created(period.from_, period.to, self._settings.zone)
            case MetricTest():
                return self._active(part)
        raise ValueError(f"not a filter: {part!r}")

    def _period(self, test: Any) -> contacts.Period:
        return contacts.Period.of(self._as_of, test.days, self._settings.zone)

    def _active(self, test: MetricTest) -> ColumnElement[bool]:
        """Return the leads by activity; those without any have the value 0."""
        wanted = test.condition
        holds_for_nobody = bool(wanted.holds(0))
        if holds_for_nobody:
            value = max(wanted.value, 1) if wanted.op == "==" else wanted.value
            wanted = replace(wanted, op=_OPPOSITE[wanted.op], value=value)
        spec = RuleSpec("all", (wanted,))
        found = activity.leads_with(self._settings, spec, self._through)["lead"].to_numpy()
        bits = np.zeros(int(found.max(initial=0)) + 1, bool)
        bits[found] = True
        return (~Marks(bits) if holds_for_nobody else Marks(bits)).criterion()


#: who has no activity is found as who is not among those that fail; equal to 0 is not at least 1
_OPPOSITE: dict[Operator, Operator] = {">=": "<", ">": "<=", "==": ">=", "<=": ">", "<": ">="}


def _key(part: Any) -> str:
    return str(part.model_dump_json())


def _is_of_facts(part: Any) -> bool:
    return all(isinstance(test, FactTest) for test in tests_of(part))


def _of_facts(part: Any) -> Iterator[Any]:
    """Yield the largest parts of a filter that test facts alone."""
    if _is_of_facts(part):
        yield part
    elif isinstance(part, AllOf | AnyOf):
        for each in part.all if isinstance(part, AllOf) else part.any:
            yield from _of_facts(each)
    elif isinstance(part, NotOf):
        yield from _of_facts(part.not_)


def _joined(part: Any, truth: Callable[[FactTest], Any]) -> Any:
    """Return the truth of a filter of facts from that of its tests."""
    match part:
        case AllOf(all=parts):
            return reduce(both, (_joined(each, truth) for each in parts))
        case AnyOf(any=parts):
            return reduce(either, (_joined(each, truth) for each in parts))
        case NotOf(not_=inner):
            return ~_joined(inner, truth)
    return truth(part)


def _attribute(test: AttributeTest) -> ColumnElement[bool]:
    if test.attribute == "source":
        return Lead.source.in_(test.in_)
    if test.attribute == "status":
        return Lead.status.in_(test.in_)
    if test.attribute == "branch":
        named = select(Branch.id).where(Branch.code.in_(test.in_))
        upper = named.subquery()
        below = select(Branch.id).where(Branch.path.contains(func.concat("/", upper.c.id, "/")))
        return Lead.branch_id.in_(below)
    tags = select(Tag.id).where(or_(Tag.code.in_(test.in_), Tag.name.in_(test.in_)))
    return Lead.id.in_(select(LeadTag.lead_id).where(LeadTag.tag_id.in_(tags)))


def below(ids: list[int]) -> Select[int]:
    """Return a query for the ids of branches and their sub-branches.

    A path holds the ids from the top down.
    """
    return select(Branch.id).where(or_(*(Branch.path.contains(f"/{each}/") for each in ids)))


def created(first: dt.date | None, last: dt.date | None, zone: dt.tzinfo) -> ColumnElement[bool]:
    """Return a criterion for the leads created on the dates from the first to the last."""
    criteria: list[ColumnElement[bool]] = [true()]
    if first:
        criteria.append(Lead.created_at >= _midnight(first, zone))
    if last:
        criteria.append(Lead.created_at < _midnight(last + dt.timedelta(days=1), zone))
    return and_(*criteria)


def _midnight(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone)


def _channel(named: str) -> str | None:
    return None if named == ANY else named


def _bought(test: OutcomeTest, as_of: dt.date) -> ColumnElement[bool]:
    since = as_of - dt.timedelta(days=test.days)
    bought = exists().where(Outcome.lead_id == Lead.id, Outcome.on_date > since, Outcome.on_date <= as_of)
    if test.outcome != ANY:
        bought = bought.where(Outcome.product_id == Product.id, Product.code == test.outcome)
    return bought


def has_hit(hits: HitFilter, today: dt.date) -> ColumnElement[bool]:
    """Return a criterion for the leads with a hit up to a date that matches all given parts."""
    criterion = exists().where(Hit.lead_id == Lead.id, Hit.status != HitStatus.WITHDRAWN)
    if hits.rules:
        criterion = criterion.where(Hit.rule_id.in_(select(Rule.id).where(Rule.code.in_(hits.rules))))
    if hits.grades:
        criterion = criterion.where(Hit.grade.in_(hits.grades))
    if hits.statuses:
        criterion = criterion.where(Hit.status.in_(hits.statuses))
    if hits.days:
        criterion = criterion.where(Hit.hit_date > today - dt.timedelta(days=hits.days))
    if today < clock.today():
        criterion = criterion.where(Hit.hit_date <= today)
    return criterion
