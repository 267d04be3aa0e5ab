"""Checks of a rule beyond its form: unknown names, and conditions that no lead can meet.

Forms, configuration files and submissions for approval use the same checks, so a rule is refused
everywhere or nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import select

from app.activity import metrics, operators
from app.activity.event_types import EVENT_TYPES
from app.errors import N_, DomainError
from app.extensions import db
from app.lib import form_errors
from app.models import Institution, Product
from app.rules import lead_filter
from app.rules.definition import ConditionDef, InstitutionDef, RuleDef
from app.segments import check as filter_check

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """A problem at a place of a rule, such as ``("conditions", 0, "value")``.

    The kind is ``form`` for malformed input, ``unknown`` for a name that doesn't exist, ``never`` for a
    condition that no lead can meet, and ``note`` for a hint that is no reason to refuse the rule.
    """

    path: Path
    value: Any
    error: DomainError
    kind: Literal["form", "unknown", "never", "note"]

    @property
    def note(self) -> bool:
        """Whether the problem is only a hint, so that the rule is accepted."""
        return self.kind == "note"

    @property
    def field(self) -> str:
        """The form field, such as ``conditions.0.value``, without the position in a list of codes."""
        return ".".join(map(str, self.path[: 3 if self.path[:1] == ("conditions",) else 2]))

    def text(self) -> str:
        """Return the message in the current language."""
        return self.error.text()


@dataclass(frozen=True)
class Catalogue:
    """What rules may name: institutions (category and region by code), and codes of products."""

    institutions: Mapping[str, tuple[str, str]]
    products: frozenset[str] = frozenset()
    filters: filter_check.Known = filter_check.NOTHING

    def extended(
        self,
        institutions: Iterable[InstitutionDef],
        products: Iterable[str],
        filters: filter_check.Known = filter_check.NOTHING,
    ) -> Catalogue:
        """Return a copy with institutions added or replaced, and products and parts of filters added."""
        more = {each.code: (each.category, each.region) for each in institutions}
        return Catalogue(
            {**self.institutions, **more}, self.products | set(products), self.filters.extended(filters)
        )


def read_catalogue() -> Catalogue:
    """Return the catalogue as it is in the database."""
    rows = db.session.execute(select(Institution.code, Institution.category, Institution.region))
    institutions = {code: (category, region) for code, category, region in rows}
    products = frozenset(db.session.scalars(select(Product.code)))
    return Catalogue(institutions, products, filter_check.read_known())


def check(definition: RuleDef, known: Catalogue) -> list[Problem]:
    """Return all problems of a well-formed rule in the order of its form, including notes."""
    return [
        *_unknown_names(definition, known),
        *_unreachable(definition),
        *_contradictions(definition),
        *_few_institutions(definition, known),
    ]


def refused(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems for which the rule is refused."""
    return [each for each in problems if not each.note]


def require_sound(definition: RuleDef) -> None:
    """Raise DomainError for a rule that is to be refused, such as a stored one about to be activated."""
    for each in refused(check(definition, read_catalogue())):
        raise each.error


def malformed(error: ValidationError) -> list[Problem]:
    """Return pydantic's errors about the form of a rule as problems with readable messages."""
    return [
        Problem(each["loc"], each.get("input"), form_errors.said(each, _OWN), "form")
        for each in error.errors()
    ]


#: messages of this form by pydantic's kind of error
_OWN = {
    "too_short": DomainError("A rule needs at least one condition."),
    "hours": DomainError("From and to must be different hours."),
    "bands": DomainError("The lower limits of the grades must decrease from A to C."),
}


#: messages for unknown entries of a lead filter
_NOT_THERE = {
    "branches": N_("There is no branch with the code %(name)s."),
    "tags": N_("There is no tag “%(name)s”."),
    "segments": N_("There is no shared segment “%(name)s”, or there are several."),
}


def _unknown_names(definition: RuleDef, known: Catalogue) -> Iterator[Problem]:
    for c, condition in enumerate(definition.conditions):
        for place, code in enumerate(condition.institutions):
            if code not in known.institutions:
                error = DomainError("There is no institution with the code %(code)s.", code=code)
                yield Problem(("conditions", c, "institutions", place), code, error, "unknown")
    for each in lead_filter.unknown(definition.lead_filter) if definition.lead_filter else ():
        error = DomainError(_NOT_THERE[each.field], name=each.name)
        yield Problem(("lead_filter", each.field, each.position), each.name, error, "unknown")
    whole = definition.lead_filter.filter
    for error in filter_check.problems(whole, known.filters) if whole else ():
        yield Problem(("lead_filter", "filter"), "", error, "unknown")
    for place, code in enumerate(definition.products):
        if code not in known.products:
            error = DomainError("There is no product with the code %(code)s.", code=code)
            yield Problem(("products", place), code, error, "unknown")


def _unreachable(definition: RuleDef) -> Iterator[Problem]:
    """Yield conditions that no lead can meet on their own."""
    widest = max(condition.window_days for condition in definition.conditions)
    for c, condition in enumerate(definition.conditions):
        low, high = bounds(condition)
        if low > high:
            yield Problem(("conditions", c, "value"), condition.value, _why_never(condition), "never")
        elif high == 0 and condition.window_days == widest and _unfiltered(condition):
            error = DomainError(
                "No lead can meet this: a rule only considers leads with an event in its widest window."
            )
            yield Problem(("conditions", c, "value"), condition.value, error, "never")


def _why_never(condition: ConditionDef) -> DomainError:
    if bounds(condition)[1] < 0:
        return DomainError("No lead can meet this: no value is less than 0.")
    return DomainError(metrics.REGISTRY[condition.metric].above_maximum, most=most(condition))


def _contradictions(definition: RuleDef) -> Iterator[Problem]:
    """Yield pairs of conditions that contradict each other.

    One counts a part of what the other counts, but demands more than the other allows.
    """
    if definition.match == "any":
        return
    conditions = definition.conditions
    for b, whole in enumerate(conditions):
        for a, part in enumerate(conditions):
            too_much = bounds(part)[0] > bounds(whole)[1] and _possible(part) and _possible(whole)
            if a != b and too_much and _counts_part_of(part, whole):
                error = DomainError(
                    "No lead can meet this together with condition %(n)s.", n=(a if a < b else b) + 1
                )
                yield Problem(("conditions", max(a, b), "value"), conditions[max(a, b)].value, error, "never")


def _few_institutions(definition: RuleDef, known: Catalogue) -> Iterator[Problem]:
    """Yield notes on filters that too few institutions of the catalogue satisfy, which may change."""
    for c, condition in enumerate(definition.conditions):
        if not (condition.categories or condition.regions) or not _possible(condition):
            continue
        count = sum(_fits(condition, code, *kind) for code, kind in known.institutions.items())
        needed = metrics.REGISTRY[condition.metric].min_institutions(bounds(condition)[0])
        if count < needed:
            error = DomainError(
                "Only %(count)s institutions in the catalogue match now, so no lead can meet this yet.",
                count=count,
            )
            yield Problem(("conditions", c, "institutions"), None, error, "note")


def bounds(condition: ConditionDef) -> tuple[int, int]:
    """Return the least and the largest value that meet the condition, in reverse order when none can."""
    return operators.REGISTRY[condition.op].bounds(condition.value, most(condition))


def most(condition: ConditionDef) -> int:
    """Return the largest possible value of the condition's metric."""
    limit = metrics.REGISTRY[condition.metric].maximum
    return limit(condition.window_days, len(condition.institutions))


def _possible(condition: ConditionDef) -> bool:
    low, high = bounds(condition)
    return low <= high


def _unfiltered(condition: ConditionDef) -> bool:
    filters = (condition.institutions, condition.categories, condition.regions)
    return (
        not any(filters)
        and _types(condition) == set(EVENT_TYPES)
        and _hours(condition) == set(range(24))
        and condition.result == "any"
    )


def _counts_part_of(part: ConditionDef, whole: ConditionDef) -> bool:
    """Whether the part's value can never exceed the whole's, because it counts a subset of its events."""
    return (
        whole.metric in {part.metric, *metrics.REGISTRY[part.metric].upper_bounds}
        and part.window_days <= whole.window_days
        and _hours(part) <= _hours(whole)
        and _types(part) <= _types(whole)
        and (part.result == "success" or whole.result == "any")
        and all(
            not wide or (narrow and set(narrow) <= set(wide))
            for narrow, wide in (
                (part.institutions, whole.institutions),
                (part.categories, whole.categories),
                (part.regions, whole.regions),
            )
        )
    )


def _types(condition: ConditionDef) -> set[str]:
    return set(condition.event_types or EVENT_TYPES)


def _hours(condition: ConditionDef) -> set[int]:
    start, end = condition.hours
    return set(range(start, end)) if start < end else set(range(24)) - set(range(end, start))


def _fits(condition: ConditionDef, code: str, category: str, region: str) -> bool:
    return (
        (not condition.institutions or code in condition.institutions)
        and (not condition.categories or category in condition.categories)
        and (not condition.regions or region in condition.regions)
    )
