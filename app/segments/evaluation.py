"""Filters of leads as criteria of the database."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from operator import and_ as both
from operator import or_ as either
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, true

from app.activity import store
from app.activity.operators import Operator
from app.activity.spec import Condition, RuleSpec
from app.facts import catalogue, conditions
from app.facts.conditions import FactTest
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.lazy import lazy
from app.models import Branch, Hit, Lead, LeadTag, Rule, Tag
from app.segments import activity
from app.segments.filter import (
    AllOf,
    AnyOf,
    AttributeTest,
    CreatedTest,
    HitFilter,
    HitTest,
    MetricTest,
    NotOf,
    OptedOutTest,
    fact_tests,
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
    """Evaluates filters, facts as of a date."""

    def __init__(self, settings: Settings, facts_on: dt.date, today: dt.date) -> None:
        """Hits count back from ``today``, and activity from the day before."""
        self._settings, self._facts_on, self._today = settings, facts_on, today
        self._marks: dict[str, Marks] = {}

    def criterion(self, whole: Any) -> ColumnElement[bool]:
        """Return a criterion on Lead for a filter. Raises DomainError when it tests a fact that is gone."""
        self._read_facts(whole)
        return self._criterion(whole)

    def marks(self, whole: Any) -> Marks | None:
        """Return the leads that a filter of facts alone admits, None for another filter."""
        self._read_facts(whole)
        return self._folded(whole)

    def _read_facts(self, whole: Any) -> None:
        """Find who passes each test of facts, all in one pass."""
        tests = {_key(test): test for test in fact_tests(whole)}
        new = [test for key, test in tests.items() if key not in self._marks]
        if not new:
            return
        facts = catalogue.definitions()
        by_code = {fact.code: fact for fact in facts.values()}
        for test in new:
            conditions.check_usable(test, by_code)
        state = store.snapshot(activity_root(self._settings))
        columns = {fact.code: each for fact, each in zip(facts.values(), columns_of(facts), strict=True)}
        if not state.facts:
            self._marks |= {_key(test): Marks(np.zeros(0, bool)) for test in new}
            return
        settings = engine_settings(self._settings)
        found = matching.passing(state, new, columns, self._facts_on, settings=settings)
        self._marks |= {_key(test): Marks(bits) for test, bits in zip(new, found, strict=True)}

    def _folded(self, part: Any) -> Marks | None:
        match part:
            case FactTest():
                return self._marks[_key(part)]
            case NotOf(not_=inner):
                folded = self._folded(inner)
                return None if folded is None else ~folded
            case AllOf(all=parts) | AnyOf(any=parts):
                sets = [self._folded(each) for each in parts]
                known = [each for each in sets if each is not None]
                return reduce(both if isinstance(part, AllOf) else either, known) if known == sets else None
        return None

    def _criterion(self, part: Any) -> ColumnElement[bool]:
        folded = self._folded(part)
        if folded is not None:
            return folded.criterion()
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
                return has_hit(hits, self._today)
            case OptedOutTest(opted_out=opted_out):
                return Lead.opted_out.is_(opted_out)
            case CreatedTest(created=period):
                return created(period.from_, period.to, self._settings.zone)
            case MetricTest():
                return self._active(part)
        raise ValueError(f"not a filter: {part!r}")

    def _active(self, test: MetricTest) -> ColumnElement[bool]:
        """Return the leads by activity; those without any have the value 0."""
        wanted = Condition(test.metric, test.op, test.value, test.window_days)
        holds_for_nobody = bool(wanted.holds(0))
        if holds_for_nobody:
            op, value = _OPPOSITE[test.op], max(test.value, 1) if test.op == "==" else test.value
            wanted = Condition(test.metric, op, value, test.window_days)
        last = self._today - dt.timedelta(days=1)
        found = activity.leads_with(self._settings, RuleSpec("all", (wanted,)), last)["lead"].to_numpy()
        bits = np.zeros(int(found.max(initial=0)) + 1, bool)
        bits[found] = True
        return (~Marks(bits) if holds_for_nobody else Marks(bits)).criterion()


#: who has no activity is found as who is not among those that fail; equal to 0 is not at least 1
_OPPOSITE: dict[Operator, Operator] = {">=": "<", ">": "<=", "==": ">=", "<=": ">", "<": ">="}


def _key(test: FactTest) -> str:
    return test.model_dump_json()


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


def has_hit(hits: HitFilter, today: dt.date) -> ColumnElement[bool]:
    """Return a criterion for the leads with a hit up to a date that matches all given parts."""
    criterion = exists().where(Hit.lead_id == Lead.id)
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
