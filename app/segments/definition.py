"""Definition of a segment: a filter on attributes, hits and activity, all given parts of which must hold."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from app.activity.metrics import Metric
from app.errors import DomainError
from app.lib.strict import Strict
from app.segments.filter import MAX_CHOICES, HitFilter, WholeFilter

Ids = Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=MAX_CHOICES)]


class ActivityFilter(Strict):
    """Leads whose ``metric`` in the last ``window_days`` complete days is ``at_least`` a value."""

    metric: Metric
    at_least: Annotated[int, Field(ge=1, le=1_000_000)]
    window_days: Annotated[int, Field(ge=1, le=366)]


class SegmentDef(Strict):
    """A filter of leads. A list matches any of its values; branches include their sub-branches.

    The screens' fields hold the common parts; ``filter`` is in the whole language of filters.
    """

    sources: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=MAX_CHOICES)
    ] = []
    statuses: list[Literal["active", "paused", "lost"]] = []
    branches: Ids = []
    tags: Ids = []
    opted_out: bool | None = None
    created_from: dt.date | None = None
    created_to: dt.date | None = None
    hits: HitFilter | None = None
    activity: ActivityFilter | None = None
    filter: WholeFilter | None = None

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.created_from and self.created_to and self.created_from > self.created_to:
            raise ValueError("created_from is after created_to")
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the definition for storage, without defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)


def segment_def(stored: Any) -> SegmentDef:
    """Parse a stored or typed definition.

    Raises DomainError that names the path and value of each problem.
    """
    try:
        return SegmentDef.model_validate_json(json.dumps(stored, default=dt.date.isoformat))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'segment'}: {each['msg']} ({str(each['input'])[:60]})"
            for each in error.errors()
        )
        raise DomainError("The segment can't be read: %(problems)s", problems=problems) from None
