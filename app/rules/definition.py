"""What a rules file may say: institutions, rules and schedules, checked field by field.

The same classes stand between YAML, forms and stored versions, so a rule means one thing everywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.errors import DomainError
from app.strict import Code, Strict

EVENT_TYPES = ("face_verify", "id_ocr", "data_call")
DEFAULT_WEIGHTS = {"face_verify": 1.0, "id_ocr": 0.8, "data_call": 0.6}
DEFAULT_HALF_LIFE_DAYS = 7.0
DEFAULT_GRADE_BANDS = {"A": 6.0, "B": 3.0, "C": 1.5, "D": 0.0}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ConfigFileError(DomainError):
    """The file can't be applied; ``problems`` names file, path and value of each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("%(problems)s", problems="\n".join(problems))


def _clock_or_midnight(text: str) -> str:
    return text if text == "24:00" else _clock(text)


def _clock(text: str) -> str:
    try:
        moment = dt.datetime.strptime(text, "%H:%M")
    except ValueError as error:
        raise ValueError("not a time of day such as 09:00") from error
    return moment.strftime("%H:%M")


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("twice", "the same value stands twice")
    return values


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


def _date(value: Any) -> Any:
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


InstitutionCode = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Clock = Annotated[str, AfterValidator(_clock)]
ClockEnd = Annotated[str, AfterValidator(_clock_or_midnight)]
EventType = Literal["face_verify", "id_ocr", "data_call"]
Level = Literal["H", "M", "L", "S"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class InstitutionDef(Strict):
    """An institution of the catalogue."""

    code: InstitutionCode
    name: Name
    category: Annotated[str, Field(max_length=64)] = ""
    region: Annotated[str, Field(max_length=64)] = ""


class ConditionDef(Strict):
    """One condition. Empty lists mean that the filter is not given."""

    metric: Literal["calls", "institutions", "active_days"]
    op: Literal[">=", ">", "==", "<=", "<"]
    value: Annotated[int, Field(ge=0, le=1_000_000)]
    window_days: Annotated[int, Field(ge=1, le=366)]
    hours: Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_hours)] = [0, 24]
    institutions: Annotated[list[InstitutionCode], AfterValidator(_distinct)] = []
    categories: Annotated[list[Word], AfterValidator(_distinct)] = []
    regions: Annotated[list[Word], AfterValidator(_distinct)] = []
    event_types: Annotated[list[EventType], AfterValidator(_distinct)] = []
    result: Literal["any", "success"] = "any"


class LeadFilterDef(Strict):
    """Which leads a rule looks at, by what they are today. Empty lists mean that the filter is not given.

    ``branches`` are codes, each with everything below it; ``tags`` and ``segments`` are names, the latter of
    shared segments. A lead must fit every filter that is given, and one entry of it.
    """

    sources: Annotated[list[Word], AfterValidator(_distinct)] = []
    branches: Annotated[list[Word], AfterValidator(_distinct)] = []
    statuses: Annotated[list[Literal["active", "paused", "lost"]], AfterValidator(_distinct)] = []
    tags: Annotated[list[Word], AfterValidator(_distinct)] = []
    segments: Annotated[list[Word], AfterValidator(_distinct)] = []

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in type(self).model_fields)


class RuleDef(Strict):
    """A rule as a person would write it down."""

    code: Code
    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    match: Literal["all", "any"] = "all"
    cooldown_days: Annotated[int, Field(ge=1, le=3650)] = 7
    conditions: Annotated[list[ConditionDef], Field(min_length=1, max_length=20)]
    half_life_days: Annotated[float, Field(gt=0, le=3650)] = DEFAULT_HALF_LIFE_DAYS
    weights: Annotated[
        dict[EventType, Annotated[float, Field(ge=0, le=1000)]], AfterValidator(_every_type)
    ] = Field(
        default_factory=lambda: dict(DEFAULT_WEIGHTS)  # type: ignore[arg-type]
    )
    grade_bands: Annotated[
        dict[Literal["A", "B", "C", "D"], Annotated[float, Field(ge=0, le=1_000_000_000)]],
        AfterValidator(_descending),
    ] = Field(
        default_factory=lambda: dict(DEFAULT_GRADE_BANDS)  # type: ignore[arg-type]
    )
    lead_filter: LeadFilterDef = LeadFilterDef()
    holdout_percent: Annotated[float, Field(ge=0, le=50)] = 0.0


class ChannelDef(Strict):
    """Through which channel a schedule pushes, and to whom."""

    kind: Word
    target: Word


class RangeDef(Strict):
    """A time range of chosen days that beats the week grid."""

    from_: Clock = Field(alias="from")
    to: ClockEnd
    level: Level
    days: Annotated[list[Weekday], Field(min_length=1), AfterValidator(_distinct)] = list(DAYS)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("to: must be another time than from; 00:00 to 24:00 is the whole day")
        return self


class ScheduleDef(Strict):
    """When hits of which rules are pushed."""

    code: Code
    name: Name
    rules: Annotated[list[Code], Field(min_length=1), AfterValidator(_distinct)]
    preset: Literal["hourly", "daily", "every_7_days", "every_30_days", "custom"]
    at: Clock = "09:00"
    start_date: Annotated[dt.date, BeforeValidator(_date)] | None = None
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


def canonical(definition: Strict) -> str:
    """A text that is the same for definitions that say the same, whatever the order of their keys."""
    return json.dumps(definition.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


class ConfigFile(Strict):
    """A whole rules file."""

    institutions: list[InstitutionDef] = []
    rules: list[RuleDef] = []
    schedules: list[ScheduleDef] = []

    @model_validator(mode="after")
    def _codes_are_unique(self) -> Self:
        for kind in ("institutions", "rules", "schedules"):
            seen: set[str] = set()
            for index, item in enumerate(getattr(self, kind)):
                if item.code in seen:
                    raise ValueError(f"{kind}[{index}].code: {item.code!r} stands twice in the file")
                seen.add(item.code)
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a mapping that gives a key twice; plain YAML would silently keep the last one."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _value in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_config_file(path: Path) -> ConfigFile:
    """The checked content of a rules file. Raises ConfigFileError naming file, path and value."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeyLoader)  # noqa: S506
    except OSError as error:
        raise ConfigFileError([f"{path}: can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigFileError([f"{path}: is not UTF-8 text"]) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigFileError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    return parse_config(raw if raw is not None else {}, str(path))


def parse_config(raw: Any, name: str) -> ConfigFile:
    """Check parsed YAML. Raises ConfigFileError with a line for each problem."""
    try:
        return ConfigFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigFileError([_problem(name, detail) for detail in error.errors()]) from error


def _problem(name: str, detail: Any) -> str:
    path = ""
    for part in detail["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    value = detail.get("input")
    shown = f": {value!r}" if isinstance(value, (str, int, float, bool)) or value is None else ""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "unknown key"
    return f"{name}: {path or 'file'}{shown}: {message}"
