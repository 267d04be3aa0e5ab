"""Definition of a journey: who enters, what happens to them step by step, and when they leave.

Configuration files and stored versions share these classes. What they can't say of one step alone, such as
cycles and steps that nobody can reach, is checked in ``app.journeys.check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from app.facts.conditions import FactTest
from app.lib.fields import Clock, Name, Word, distinct
from app.lib.strict import Code, Strict
from app.segments.filter import Grade, WholeFilter

MAX_STEPS = 100
MAX_HOURS = 24 * 366
Days = Annotated[int, Field(ge=1, le=3650)]
Codes = Annotated[list[Code], Field(max_length=200), AfterValidator(distinct)]
StepId = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
#: channels whose gateway the product doesn't have
CHANNELS_NOT_YET = ("email", "app", "wecom", "push")


def _whole_seconds(hours: float) -> float:
    if abs(hours * 3600 - round(hours * 3600)) > 1e-6:
        raise PydanticCustomError("hours", "give hours of whole seconds")
    return hours


Hours = Annotated[int | float, Field(gt=0, le=MAX_HOURS), AfterValidator(_whole_seconds)]


class _Named(Strict):
    """A model with fields that are written by other names."""

    model_config = ConfigDict(serialize_by_alias=True)


class Bought(Strict):
    """An outcome of any product, or of one of several."""

    outcome: Literal["any"] | None = None
    products: Codes = []

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.outcome is None) == (not self.products):
            raise ValueError("give outcome: any, or products")
        return self


# -- who enters ---------------------------------------------------------------------------------------


class HitTrigger(_Named):
    """A hit of one of the rules and grades; empty lists are any."""

    on: Literal["hit"]
    rules: Codes = []
    grades: list[Grade] = []


class SegmentTrigger(_Named):
    """Coming into a shared segment."""

    on: Literal["segment"]
    segment: Code


class FactTrigger(_Named, FactTest):
    """A test of a fact that holds and did not hold the day before."""

    on: Literal["fact"]


class DateTrigger(_Named):
    """So many days after the date that a fact says, before it when negative."""

    on: Literal["date"]
    fact: Code
    days: Annotated[int, Field(ge=-3650, le=3650)] = 0


class OutcomeTrigger(_Named, Bought):
    """An outcome."""

    on: Literal["outcome"]


def _trigger_known(value: Any) -> Any:
    if isinstance(value, dict) and value.get("on") == "app_event":
        raise PydanticCustomError("trigger", "app events can't start journeys yet")
    return value


Trigger = Annotated[
    HitTrigger | SegmentTrigger | FactTrigger | DateTrigger | OutcomeTrigger,
    Field(discriminator="on"),
    BeforeValidator(_trigger_known),
]


class Reentry(Strict):
    """Entering again is possible so many days after the last time."""

    after_days: Days


Most = Annotated[int, Field(ge=1, le=100_000_000)]


class Pacing(Strict):
    """How many contacts there are a day at most: by a channel, and calls of one marketer."""

    sms: Most | None = None
    call: Most | None = None
    calls_per_marketer: Most | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give sms, call or calls_per_marketer")
        return self

    @property
    def channels(self) -> set[str]:
        """The channels that are paced."""
        calls = self.call is not None or self.calls_per_marketer is not None
        return {channel for channel, is_paced in (("sms", self.sms is not None), ("call", calls)) if is_paced}


# -- what happens -------------------------------------------------------------------------------------


class _Step(_Named):
    id: StepId

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The names of the ways on, each with the step that it leads to."""
        then = getattr(self, "then", None)
        return [("then", then)] if then is not None else []


def _channel_known(value: Any) -> Any:
    if value in CHANNELS_NOT_YET:
        message = "there is no gateway for the channel {channel} yet"
        raise PydanticCustomError("channel", message, {"channel": value})
    return value


class Contact(_Step):
    """A contact. Held by a cap it waits up to ``hold_hours``, then ``held`` is the way on, like ``then``."""

    do: Literal["contact"]
    channel: Annotated[Literal["sms", "call"], BeforeValidator(_channel_known)]
    template: Code
    hold_hours: Annotated[int | float, Field(ge=0, le=MAX_HOURS), AfterValidator(_whole_seconds)] = 24
    then: StepId
    held: StepId | None = None

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The ways on."""
        return [("then", self.then), *([("held", self.held)] if self.held is not None else [])]


def _event_known(value: Any) -> Any:
    if isinstance(value, dict) and "app_event" in value:
        raise PydanticCustomError("until", "journeys can't wait for app events yet")
    return value


class Wait(_Step):
    """A wait of hours, of days by the wall clock, or for a time of day; ``until`` ends it early.

    ``timeout`` is the way on when what it waits for has not happened.
    """

    do: Literal["wait"]
    hours: Hours | None = None
    days: Annotated[int, Field(ge=1, le=366)] | None = None
    at: Clock | None = None
    until: Annotated[Literal["answered", "outcome"] | None, BeforeValidator(_event_known)] = None
    then: StepId
    timeout: StepId | None = None

    @model_validator(mode="after")
    def _is_one_wait(self) -> Self:
        if sum(each is not None for each in (self.hours, self.days, self.at)) != 1:
            raise ValueError("a wait has one of hours, days and at")
        if (self.until is None) != (self.timeout is None):
            raise ValueError("until an event and timeout belong together")
        return self

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The ways on."""
        return [("then", self.then), *([("timeout", self.timeout)] if self.timeout is not None else [])]


class Strategy(_Step):
    """What a strategy table says of the customer: ``then`` is the way of those whom a row answers.

    A version that was submitted has the steps that the table meant instead (app/journeys/strategy.py).
    ``hold_hours`` and ``held`` are those of the contacts of its rows.
    """

    do: Literal["strategy"]
    table: Code
    then: StepId
    else_: Annotated[StepId, Field(alias="else")]
    hold_hours: Annotated[int | float, Field(ge=0, le=MAX_HOURS), AfterValidator(_whole_seconds)] = 24
    held: StepId | None = None

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The ways on."""
        held = [("held", self.held)] if self.held is not None else []
        return [("then", self.then), ("else", self.else_), *held]


class Case(Strict):
    """Where those go whom a filter admits."""

    when: WholeFilter
    then: StepId


class Branch(_Step):
    """Ways on by conditions, of which the first that holds counts."""

    do: Literal["branch"]
    cases: Annotated[list[Case], Field(min_length=1, max_length=20)]
    else_: Annotated[StepId, Field(alias="else")]

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The ways on."""
        cases = [(f"cases[{number}].then", case.then) for number, case in enumerate(self.cases)]
        return [*cases, ("else", self.else_)]


def _adds_up(parts: dict[str, int]) -> dict[str, int]:
    if sum(parts.values()) != 100:
        message = "the parts add up to {total}, not to 100"
        raise PydanticCustomError("parts", message, {"total": sum(parts.values())})
    return parts


class Split(_Step):
    """Ways on at random by percent, the same for a person each time."""

    do: Literal["split"]
    parts: Annotated[
        dict[StepId, Annotated[int, Field(ge=1, le=99)]],
        Field(min_length=2, max_length=20),
        AfterValidator(_adds_up),
    ]

    @property
    def ways(self) -> list[tuple[str, str]]:
        """The ways on."""
        return [(f"parts.{step}", step) for step in self.parts]


class Task(_Step):
    """A task for the owner of the customer."""

    do: Literal["task"]
    title: Name
    due_days: Annotated[int, Field(ge=0, le=366)] = 1
    then: StepId


class TagStep(_Step):
    """Tags put on the customer and taken away, by code."""

    do: Literal["tag"]
    add: Annotated[list[Word], Field(max_length=20), AfterValidator(distinct)] = []
    remove: Annotated[list[Word], Field(max_length=20), AfterValidator(distinct)] = []
    then: StepId

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.add and not self.remove:
            raise ValueError("name a tag to add or to remove")
        if set(self.add) & set(self.remove):
            raise ValueError("the same tag is added and removed")
        return self


class Hand(_Step):
    """Handing the customer to the owner, or to the branch's people."""

    do: Literal["hand"]
    to: Literal["owner", "branch"]
    then: StepId


class Webhook(_Step):
    """A message to a system of the bank, by the code of its target."""

    do: Literal["webhook"]
    target: Code
    then: StepId


class End(_Step):
    """The end of the journey."""

    do: Literal["end"]


def _step_known(value: Any) -> Any:
    if isinstance(value, dict) and value.get("do") == "stage":
        raise PydanticCustomError("step", "there are no stages yet that a step could set")
    return value


STEPS: dict[str, type[_Step]] = {
    "contact": Contact,
    "wait": Wait,
    "branch": Branch,
    "strategy": Strategy,
    "split": Split,
    "task": Task,
    "tag": TagStep,
    "hand": Hand,
    "webhook": Webhook,
    "end": End,
}


def _kind(value: Any) -> Any:
    return value.get("do") if isinstance(value, dict) else getattr(value, "do", None)


Step = Annotated[
    Annotated[Contact, Tag("contact")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[Branch, Tag("branch")]
    | Annotated[Strategy, Tag("strategy")]
    | Annotated[Split, Tag("split")]
    | Annotated[Task, Tag("task")]
    | Annotated[TagStep, Tag("tag")]
    | Annotated[Hand, Tag("hand")]
    | Annotated[Webhook, Tag("webhook")]
    | Annotated[End, Tag("end")],
    Discriminator(
        _kind,
        custom_error_type="step",
        custom_error_message="do is one of " + ", ".join(STEPS),
    ),
    BeforeValidator(_step_known),
]


class JourneyDef(_Named):
    """A journey. Everybody starts at the first of its steps."""

    code: Code
    name: Name
    trigger: Trigger
    reentry: Reentry | Literal["never"] = "never"
    goal: Bought | None = None
    pacing: Pacing | None = None
    steps: Annotated[list[Step], Field(min_length=1, max_length=MAX_STEPS)]

    def as_json(self) -> dict[str, Any]:
        """Return the definition as a configuration file states it, without defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def tables(self) -> dict[str, str]:
        """Return the codes of the strategy tables that it names, by the ids of their steps."""
        return {step.id: step.table for step in self.steps if isinstance(step, Strategy)}

    def filters(self) -> Iterator[tuple[str, Any]]:
        """Yield the filters of its branches, each with the id of the step."""
        for step in self.steps:
            if isinstance(step, Branch):
                yield from ((step.id, case.when) for case in step.cases)


def reachable(steps: Sequence[Any]) -> set[str]:
    """Return the ids of the steps that somebody who starts at the first can come to."""
    by_id = {step.id: step for step in steps}
    reached, ahead = set[str](), [steps[0].id]
    while ahead:
        each = ahead.pop()
        if each not in reached and each in by_id:
            reached.add(each)
            ahead += [to for _way, to in by_id[each].ways]
    return reached
