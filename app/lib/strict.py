"""The base model of definitions: rules, schedules, segments and settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class Strict(BaseModel):
    """A frozen model without unknown keys and without silent type conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Stored(Strict):
    """A definition that is a row of a table."""

    def as_row(self) -> dict[str, Any]:
        """Return the values of the columns of its row."""
        return self.model_dump()
