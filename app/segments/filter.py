"""The language of filters: tests of leads, joined by all, any and not.

A filter is ``{all: […]}`` or ``{any: […]}`` of filters, ``{not: filter}``, or one test:
``{fact, op, value}``, ``{fact, fell_by, against_days}``, ``{attribute, in}``,
``{metric, op, value, window_days}``, ``{metric, window_days, fell_by, against_days}``, ``{outcome, days}``,
``{contacted, days}``, ``{answered, days}``, ``{interactions, days}``, ``{hits: …}``, ``{opted_out}`` or
``{created: {from, to}}``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.activity.metrics import Metric
from app.activity.operators import Operator
from app.activity.spec import Condition
from app.facts.conditions import FactTest
from app.lib.fields import Word, iso_date
from app.lib.strict import Code, Strict

MAX_CHOICES = 200
MAX_TESTS = 50
Grade = Literal["A", "B", "C", "D"]
#: what a test of outcomes names instead of a product
ANY = "any"
#: tests of which nothing is known yet
NOT_YET = ("score", "stage", "app_event")
LEAD_STATUSES = ("active", "paused", "lost")


Days = Annotated[int, Field(ge=1, le=3650)]


class HitFilter(Strict):
    """A filter for leads with a hit that matches all given parts.

    ``days`` counts back from today, inclusive.
    """

    rules: Annotated[list[Code], Field(max_length=MAX_CHOICES)] = []
    grades: list[Grade] = []
    statuses: list[Literal["waiting", "in_progress", "converted", "failed"]] = []
    days: Days | None = None


class _Named(Strict):
    """A model with fields that are written by other names."""

    model_config = ConfigDict(serialize_by_alias=True)


class AttributeTest(_Named):
    """Leads with one of the values of an attribute; ``branch`` (codes) includes the branches below.

    A ``tag`` is named by its code or its name.
    """

    attribute: Literal["source", "branch", "status", "tag"]
    in_: Annotated[list[Word], Field(alias="in", min_length=1, max_length=MAX_CHOICES)]

    @model_validator(mode="after")
    def _has_known_statuses(self) -> Self:
        if self.attribute == "status" and not set(self.in_) <= set(LEAD_STATUSES):
            raise ValueError(f"a status is one of {', '.join(LEAD_STATUSES)}")
        return self


WindowDays = Annotated[int, Field(ge=1, le=366)]


def _whole_percent(share: float) -> float:
    if abs(share * 100 - round(share * 100)) > 1e-9:
        raise PydanticCustomError("share", "give a share of whole percents, such as 0.25")
    return share


class MetricTest(Strict):
    """Leads by a metric of their activity in the last ``window_days`` complete days.

    Either ``op`` compares it with ``value``, or it ``fell_by`` a share, in whole percent, against the window
    as long that ended ``against_days`` before. Those are the days before it unless ``window_days`` says
    otherwise.
    """

    metric: Metric
    op: Operator | None = None
    value: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    window_days: WindowDays | None = None
    fell_by: Annotated[float, Field(ge=0.01, le=1), AfterValidator(_whole_percent)] | None = None
    against_days: WindowDays | None = None

    @model_validator(mode="after")
    def _is_one_test(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        compared, fell = ["metric", "op", "value", "window_days"], ["metric", "fell_by", "against_days"]
        if given != compared and [name for name in given if name != "window_days"] != fell:
            raise ValueError("give op, value and window_days, or fell_by and against_days")
        return self

    @property
    def condition(self) -> Condition:
        """The condition of the engine that the test asks."""
        if self.fell_by is not None:
            window_days = self.window_days or self.against_days or 1
            percent = round(self.fell_by * 100)
            return Condition(self.metric, ">=", percent, window_days, against_days=self.against_days)
        return Condition(self.metric, self.op or ">=", self.value or 0, self.window_days or 1)


class HitTest(Strict):
    """Leads with a hit."""

    hits: HitFilter


class OutcomeTest(Strict):
    """Leads who bought a product (its code, or ``any``) in the last ``days`` days, today included."""

    outcome: Code
    days: Days


ContactChannel = Literal["sms", "call", "any"]


class ContactedTest(Strict):
    """Leads who were contacted by a channel, or ``any`` (by hand too), in the last days, today included."""

    contacted: ContactChannel
    days: Days


class AnsweredTest(Strict):
    """Leads who answered a call, or responded to an SMS, in the last days, today included."""

    answered: ContactChannel
    days: Days


class InteractionsTest(Strict):
    """Leads who answered at least so many contacts in the last days, today included."""

    interactions: Annotated[int, Field(ge=1, le=1000)]
    days: Days


class OptedOutTest(Strict):
    """Leads who are, or are not, on the do-not-disturb list."""

    opted_out: bool


Day = Annotated[dt.date, BeforeValidator(iso_date)]


class Period(_Named):
    """Dates from the first to the last, each of which may be open."""

    from_: Annotated[Day | None, Field(alias="from")] = None
    to: Day | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.from_ and self.to and self.from_ > self.to:
            raise ValueError("from is after to")
        return self


class CreatedTest(Strict):
    """Leads created in a period."""

    created: Period


class AllOf(Strict):
    """Leads that all of the filters admit."""

    all: Annotated[list[Filter], Field(min_length=1, max_length=MAX_TESTS)]


class AnyOf(Strict):
    """Leads that one of the filters admits."""

    any: Annotated[list[Filter], Field(min_length=1, max_length=MAX_TESTS)]


class NotOf(_Named):
    """Leads that the filter doesn't admit."""

    not_: Annotated[Filter, Field(alias="not")]


_KINDS: dict[str, type[Strict]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": NotOf,
    "fact": FactTest,
    "attribute": AttributeTest,
    "metric": MetricTest,
    "hits": HitTest,
    "outcome": OutcomeTest,
    "contacted": ContactedTest,
    "answered": AnsweredTest,
    "interactions": InteractionsTest,
    "opted_out": OptedOutTest,
    "created": CreatedTest,
}


def is_filter(value: Any) -> bool:
    """Return whether a stated value is a filter by its keys."""
    return isinstance(value, dict) and bool(value.keys() & {*_KINDS, *NOT_YET})


def _told_yet(value: Any) -> Any:
    if isinstance(value, dict) and (names := [name for name in NOT_YET if name in value]):
        raise PydanticCustomError("filter", "leads can't be tested by {name} yet", {"name": names[0]})
    return value


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((name for name in _KINDS if name in value), None)
    return next((name for name, kind in _KINDS.items() if type(value) is kind), None)


Filter = Annotated[
    Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[NotOf, Tag("not")]
    | Annotated[FactTest, Tag("fact")]
    | Annotated[AttributeTest, Tag("attribute")]
    | Annotated[MetricTest, Tag("metric")]
    | Annotated[HitTest, Tag("hits")]
    | Annotated[OutcomeTest, Tag("outcome")]
    | Annotated[ContactedTest, Tag("contacted")]
    | Annotated[AnsweredTest, Tag("answered")]
    | Annotated[InteractionsTest, Tag("interactions")]
    | Annotated[OptedOutTest, Tag("opted_out")]
    | Annotated[CreatedTest, Tag("created")],
    Discriminator(
        _kind,
        custom_error_type="filter",
        custom_error_message="this is no test; name one of " + ", ".join(_KINDS),
    ),
    BeforeValidator(_told_yet),
]


def tests_of(part: Any) -> Iterator[Any]:
    """Yield the tests of a filter in their order."""
    match part:
        case AllOf(all=parts) | AnyOf(any=parts):
            for each in parts:
                yield from tests_of(each)
        case NotOf(not_=inner):
            yield from tests_of(inner)
        case _:
            yield part


def is_dated(whole: Any) -> bool:
    """Return whether a filter admits other leads as of other dates."""
    return not all(isinstance(test, AttributeTest | OptedOutTest | CreatedTest) for test in tests_of(whole))


def is_about_hits(whole: Any) -> bool:
    """Return whether a filter asks for hits."""
    return any(isinstance(test, HitTest) for test in tests_of(whole))


def of_activity(part: Any, *, certain: bool = False) -> Any:
    """Return a filter of tests of activity for whoever the filter may admit, None when that is everybody.

    With ``certain`` it is for those whom the filter admits whatever its other tests say, None for nobody.
    """
    match part:
        case MetricTest():
            return part
        case NotOf(not_=inner):
            found = of_activity(inner, certain=not certain)
            return None if found is None else NotOf.model_construct(not_=found)
        case AllOf(all=parts) | AnyOf(any=parts):
            found = [of_activity(each, certain=certain) for each in parts]
            known = [each for each in found if each is not None]
            decides = isinstance(part, AnyOf) != certain
            if not known or (decides and len(known) < len(found)):
                return None
            return (
                AllOf.model_construct(all=known)
                if isinstance(part, AllOf)
                else AnyOf.model_construct(any=known)
            )
    return None


def fact_tests(whole: Any) -> list[FactTest]:
    """Return the tests of facts in a filter."""
    return [test for test in tests_of(whole) if isinstance(test, FactTest)]


def _within_bounds(whole: Any) -> Any:
    if sum(1 for _test in tests_of(whole)) > MAX_TESTS:
        raise PydanticCustomError("filter", "a filter has at most 50 tests")
    return whole


for _model in (AllOf, AnyOf, NotOf):
    _model.model_rebuild()
#: a filter as a field of definitions
WholeFilter = Annotated[Filter, AfterValidator(_within_bounds)]
