"""Journeys as somebody types them: not yet complete, with every problem at its step and field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.errors import DomainError
from app.journeys import check
from app.journeys.definition import Bought, JourneyDef, Step, Trigger
from app.lib import form_errors

_STEP: TypeAdapter[Any] = TypeAdapter(Step)
_TRIGGER: TypeAdapter[Any] = TypeAdapter(Trigger)
_GOAL: TypeAdapter[Bought | None] = TypeAdapter(Bought | None)
#: messages by what a check of the form says
_CHECKS = {
    "a wait has one of": DomainError("Say how long the wait is."),
    "until an event and timeout": DomainError("Say where it goes on when time is over."),
    "name a tag to add": DomainError("Choose a tag to add or to remove."),
    "the same tag is added": DomainError("The same tag is added and removed."),
    "give outcome: any, or products": DomainError("Choose products, or any product."),
    "not a time of day": DomainError("Enter a time of day such as 09:00."),
    "give hours of whole seconds": DomainError("Enter hours of whole seconds, such as 0.5."),
}
_NOBODY = DomainError("Choose what lets customers enter.")
_OWN = {
    "parts": DomainError("The parts add up to %(total)s, not to 100.", total=0),
    "channel": DomainError("There is no gateway for this channel yet."),
}


@dataclass(frozen=True)
class Problem:
    """A problem at the field of a step, or of the journey itself when ``step`` is None."""

    step: str | None
    field: str
    error: DomainError


@dataclass(frozen=True)
class Typed:
    """What was typed: the journey if its form is right, its well-formed steps, and all problems."""

    journey: JourneyDef | None
    steps: list[Any]
    problems: list[Problem]

    @property
    def malformed(self) -> list[Problem]:
        """The problems that keep the journey from being stored, even as a draft."""
        return [] if self.journey is not None else self.problems


def read(raw: dict[str, Any], known: check.Known) -> Typed:
    """Read a journey as it is stated in a file, however incomplete."""
    steps = _steps(raw)
    try:
        journey = JourneyDef.model_validate(raw)
    except ValidationError as error:
        found = [_placed(steps, detail) for detail in error.errors()]
        found += [Problem(each.step, "", each.error) for each in of_sound_parts(raw, known)]
        return Typed(None, [*_sound(steps)], found)
    found = [Problem(each.step, "", each.error) for each in check.problems(journey, known)]
    return Typed(journey, list(journey.steps), found)


def of_sound_parts(raw: dict[str, Any], known: check.Known) -> Iterator[check.Problem]:
    """Yield the problems of those parts of a malformed journey that are well-formed themselves."""
    yield from check.of_head(_parsed(_TRIGGER, raw.get("trigger")), _parsed(_GOAL, raw.get("goal")), known)
    steps = _steps(raw)
    ids = [str(each["id"]) if isinstance(each, dict) and "id" in each else "" for each in steps]
    yield from check.of_steps([*_sound(steps)], known, ids)


def _steps(raw: dict[str, Any]) -> list[Any]:
    given = raw.get("steps")
    return given if isinstance(given, list) else []


def _sound(steps: list[Any]) -> Iterator[Any]:
    yield from (step for step in (_parsed(_STEP, each) for each in steps) if step is not None)


def _parsed(kind: TypeAdapter[Any], value: Any) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError:
        return None


def _placed(steps: list[Any], detail: Any) -> Problem:
    """Return where an error of the form is, and its message."""
    loc, step = detail["loc"], None
    if len(loc) > 1 and loc[0] == "steps" and isinstance(loc[1], int):
        given = steps[loc[1]]
        step = str(given.get("id", "")) if isinstance(given, dict) else ""
        loc = loc[3:]
    elif loc[:1] == ("trigger",):
        loc = ("trigger", *loc[2:])
    if loc[:1] == ("trigger",) and detail["type"] in ("missing", "string_too_short", "string_type"):
        return Problem(step, "trigger", _NOBODY)
    said = next((error for part, error in _CHECKS.items() if part in detail["msg"]), None)
    return Problem(step, ".".join(map(str, loc)), said or form_errors.said(detail, _OWN))
