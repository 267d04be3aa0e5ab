"""Definitions of institutions and rules, validated field by field.

Configuration files, forms and stored versions share these classes, so a rule means the same everywhere.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from app.activity import event_types
from app.activity.event_types import EVENT_TYPES, EventType
from app.activity.metrics import Metric
from app.activity.operators import Operator
from app.lib.fields import Name, Word, distinct
from app.lib.strict import Code, Strict
from app.segments.filter import WholeFilter, is_filter

DEFAULT_WEIGHTS = {name: entry.weight for name, entry in event_types.REGISTRY.items()}
DEFAULT_HALF_LIFE_DAYS = 7.0
DEFAULT_GRADE_BANDS = {"A": 6.0, "B": 3.0, "C": 1.5, "D": 0.0}


def _hours(values: list[int]) -> list[int]:
    start, end = values
    if not (0 <= start <= 23 and 0 <= end <= 24) or start == end:
        raise PydanticCustomError("hours", "must be two different hours from 0 to 24, the first below 24")
    return values


def _every_type(weights: dict[Any, float]) -> dict[Any, float]:
    if set(weights) != set(EVENT_TYPES):
        raise PydanticCustomError("weights", "name every event type: " + ", ".join(EVENT_TYPES))
    return weights


def _descending(bands: dict[Any, float]) -> dict[Any, float]:
    edges = [bands.get(grade) for grade in "ABCD"]
    if None in edges or edges[-1] != 0 or sorted(edges, reverse=True) != edges:  # type: ignore[type-var]
        raise PydanticCustomError("bands", "give A, B, C, D from high to low, D being 0")
    return bands


InstitutionCode = Annotated[str, Field(min_length=1, max_length=128)]


class InstitutionDef(Strict):
    """An institution of the catalogue."""

    code: InstitutionCode
    name: Name
    category: Annotated[str, Field(max_length=64)] = ""
    region: Annotated[str, Field(max_length=64)] = ""


class ConditionDef(Strict):
    """One condition. Empty lists mean that the filter is not given."""

    metric: Metric
    op: Operator
    value: Annotated[int, Field(ge=0, le=1_000_000)]
    window_days: Annotated[int, Field(ge=1, le=366)]
    hours: Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_hours)] = [0, 24]
    institutions: Annotated[list[InstitutionCode], AfterValidator(distinct)] = []
    categories: Annotated[list[Word], AfterValidator(distinct)] = []
    regions: Annotated[list[Word], AfterValidator(distinct)] = []
    event_types: Annotated[list[EventType], AfterValidator(distinct)] = []
    result: Literal["any", "success"] = "any"


class LeadFilterDef(Strict):
    """The leads that a rule considers. Empty lists mean that the filter is not given.

    ``branches`` are codes and include the branches below; ``tags`` are names, ``segments`` names of shared
    segments. A lead must match at least one entry of every filter that is given. ``filter`` is in the
    language of filters, and may stand alone in place of all this.
    """

    sources: Annotated[list[Word], AfterValidator(distinct)] = []
    branches: Annotated[list[Word], AfterValidator(distinct)] = []
    statuses: Annotated[list[Literal["active", "paused", "lost"]], AfterValidator(distinct)] = []
    tags: Annotated[list[Word], AfterValidator(distinct)] = []
    segments: Annotated[list[Word], AfterValidator(distinct)] = []
    filter: WholeFilter | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_filter_alone(cls, value: Any) -> Any:
        return {"filter": value} if is_filter(value) else value

    def as_json(self) -> dict[str, Any]:
        """Return the filter for storage, without defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def as_yaml(self) -> dict[str, Any]:
        """Return the filter as the configuration file states it."""
        stated = self.as_json()
        alone: dict[str, Any] = stated["filter"] if stated.keys() == {"filter"} else stated
        return alone

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in type(self).model_fields)


class RuleDef(Strict):
    """A rule as stated in a configuration file or form.

    ``products`` are the codes of the products whose outcomes count as conversions; none means any product.
    """

    code: Code
    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    match: Literal["all", "any"] = "all"
    cooldown_days: Annotated[int, Field(ge=1, le=3650)] = 7
    conditions: Annotated[list[ConditionDef], Field(min_length=1, max_length=20)]
    half_life_days: Annotated[float, Field(gt=0, le=3650)] = DEFAULT_HALF_LIFE_DAYS
    weights: Annotated[
        dict[EventType, Annotated[float, Field(ge=0, le=1000)]], AfterValidator(_every_type)
    ] = Field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    grade_bands: Annotated[
        dict[Literal["A", "B", "C", "D"], Annotated[float, Field(ge=0, le=1_000_000_000)]],
        AfterValidator(_descending),
    ] = Field(
        default_factory=lambda: dict(DEFAULT_GRADE_BANDS)  # type: ignore[arg-type]
    )
    lead_filter: LeadFilterDef = LeadFilterDef()
    holdout_percent: Annotated[float, Field(ge=0, le=50)] = 0.0
    products: Annotated[list[Code], Field(max_length=200), AfterValidator(distinct)] = []


def content(definition: Strict) -> dict[str, Any]:
    """Return what a definition states, for comparisons with digests from before rules named products."""
    stated = definition.model_dump(mode="json")
    return stated if stated.get("products") else {k: v for k, v in stated.items() if k != "products"}


def canonical(definition: Strict) -> str:
    """Return a text that is equal for equal definitions, whatever the order of their keys."""
    return json.dumps(content(definition), sort_keys=True, ensure_ascii=False)
