"""The compliance rules of outreach in the configuration file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.approvals import Change
from app.errors import FieldError
from app.lib.fields import Clock, ClockEnd
from app.lib.strict import Strict
from app.outreach import settings
from app.outreach.settings import MIN_OPT_OUT, ConversionDays, Cost, Days, OutreachSettings, Times
from app.rules.conversions import DEFAULT_DAYS
from app.rulesfile.kind import Kind

#: channel of the file → prefix of the settings that cap it
_CAPPED = {"sms": "sms", "call": "call", "all": "total"}


class CapDef(Strict):
    """At most so many contacts with a person in so many days, today included."""

    channel: Literal["sms", "call", "all"]
    contacts: Times
    days: Days


class OutreachDef(Strict):
    """Contact hours, caps, exclusions, costs; a channel without a cap is not limited."""

    hours: tuple[Clock, ClockEnd] = ("09:00", "20:00")
    on_holidays: bool = False
    caps: list[CapDef] = [
        CapDef(channel="sms", contacts=1, days=7),
        CapDef(channel="all", contacts=2, days=30),
    ]
    approval_above: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    wait_days: Annotated[int, Field(ge=0, le=15)] = 1
    excluded_grades: list[Literal["A", "B", "C", "D"]] = []
    excluded_hit_statuses: list[Literal["waiting", "in_progress", "failed"]] = ["failed"]
    excluded_lead_statuses: list[Literal["active", "paused", "lost"]] = ["lost"]
    control_percent: Annotated[float, Field(ge=0, le=20)] = 0.0
    conversion_days: ConversionDays = DEFAULT_DAYS
    opt_out_sentence: Annotated[str, Field(min_length=MIN_OPT_OUT, max_length=60)] = "拒收请回复R"
    cost_sms: Cost = 0.05
    cost_call: Cost = 0.6

    @model_validator(mode="before")
    @classmethod
    def _takes_hours_as_a_list(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("hours"), list):
            return values | {"hours": tuple(values["hours"])}
        return values

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        channels = [cap.channel for cap in self.caps]
        if len(set(channels)) != len(channels):
            raise ValueError("caps: the same channel stands twice")
        try:
            self.as_settings()
        except FieldError as error:
            raise ValueError(f"hours: {error}") from None
        return self

    def as_settings(self) -> OutreachSettings:
        """Return the settings that it states."""
        same = self.model_dump(exclude={"hours", "on_holidays", "caps"})
        caps: dict[str, int | None] = dict.fromkeys((f"{each}_cap" for each in _CAPPED.values()), None)
        for cap in self.caps:
            caps |= {f"{_CAPPED[cap.channel]}_cap": cap.contacts, f"{_CAPPED[cap.channel]}_days": cap.days}
        begins, ends = self.hours
        hours = {"open_from": begins, "open_to": ends, "skip_holidays": not self.on_holidays}
        return OutreachSettings.model_validate(same | caps | hours)

    def as_yaml(self) -> dict[str, Any]:
        """Return all of it: what is not stated would be the default."""
        return self.model_dump(mode="json")


def _definition(values: OutreachSettings) -> OutreachDef:
    same = values.model_dump(include=set(OutreachDef.model_fields))
    caps = [
        CapDef(channel=channel, contacts=most, days=getattr(values, f"{name}_days"))  # type: ignore[arg-type]
        for channel, name in _CAPPED.items()
        if (most := getattr(values, f"{name}_cap")) is not None
    ]
    hours = (values.open_from, values.open_to)
    return OutreachDef(**same, caps=caps, hours=hours, on_holidays=not values.skip_holidays)


def _read() -> list[OutreachDef]:
    return [_definition(settings.current())] if settings.in_force() else []


def _apply(item: OutreachDef, user: str, overwrite: bool) -> None:
    if settings.in_force() is None or overwrite:
        settings.put_in_force(item.as_settings(), user)


def _changes(old: OutreachDef | None, new: OutreachDef) -> list[Change]:
    before = old.as_settings() if old else OutreachSettings()
    return settings.differences(before, new.as_settings())


OUTREACH = Kind(
    "outreach",
    read=_read,
    apply=_apply,
    as_yaml=OutreachDef.as_yaml,
    changes=_changes,
    key=lambda _item: "outreach",
    single=True,
)
