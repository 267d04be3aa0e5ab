"""Definition of a schedule, shared by configuration files, forms and stored versions."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.lib.fields import Clock, ClockEnd, Name, Word, distinct, iso_date
from app.lib.strict import Code, Strict

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Level = Literal["H", "M", "L", "S"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ChannelDef(Strict):
    """A channel and target of a schedule."""

    kind: Word
    target: Word


class RangeDef(Strict):
    """A time range on selected days that overrides the week grid."""

    from_: Clock = Field(alias="from")
    to: ClockEnd
    level: Level
    days: Annotated[list[Weekday], Field(min_length=1), AfterValidator(distinct)] = list(DAYS)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("to: must be another time than from; 00:00 to 24:00 is the whole day")
        return self


class ScheduleDef(Strict):
    """A schedule: the rules whose hits it pushes, its timing and its channels."""

    code: Code
    name: Name
    rules: Annotated[list[Code], Field(min_length=1), AfterValidator(distinct)]
    preset: Literal["hourly", "daily", "every_7_days", "every_30_days", "custom"]
    at: Clock = "09:00"
    start_date: Annotated[dt.date, BeforeValidator(iso_date)] | None = None
    interval_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    medium_factor: Annotated[float, Field(ge=1, le=1000, strict=False)] = 2
    low_factor: Annotated[float, Field(ge=1, le=1000, strict=False)] = 4
    grid: dict[Weekday, Annotated[str, Field(pattern=r"^[HMLS]{24}$")]] = {}
    min_gap_seconds: Annotated[int, Field(ge=0, le=86400)] = 30
    weekend: Literal["normal", "silent"] | Annotated[float, Field(ge=1, le=1000, strict=False)] = "normal"
    holidays: Literal["normal", "weekend", "silent"] = "weekend"
    ranges: list[RangeDef] = []
    quiet_hours: Annotated[list[ClockEnd], Field(min_length=2, max_length=2)] | None = None
    channels: list[ChannelDef] = []

    @model_validator(mode="after")
    def _long_presets_need_a_start(self) -> Self:
        if self.preset in ("every_7_days", "every_30_days") and self.start_date is None:
            raise ValueError(f"start_date: {self.preset} needs the date to count from")
        return self

    @model_validator(mode="after")
    def _quiet_hours_have_a_length(self) -> Self:
        if self.quiet_hours and self.quiet_hours[0] == self.quiet_hours[1]:
            raise ValueError("quiet_hours: must be two different times")
        return self
