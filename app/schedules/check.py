"""Validation of schedules from forms, with a readable message for each wrong field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.lib import form_errors
from app.models import Rule, Target
from app.schedules.definition import ScheduleDef

#: placeholders for required fields that a preview does not need
_SAMPLE = {"code": "DRAFT", "name": "draft", "rules": ["DRAFT"]}


class Problem(NamedTuple):
    """A problem at a path such as ``ranges.0.to``, or at the empty path for the whole schedule."""

    path: str
    error: DomainError


class ScheduleRefused(DomainError):
    """An invalid schedule; ``problems`` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("The schedule can't be saved like this; see what is marked.")

    def text(self) -> str:
        """Return all problems in the current language."""
        return " ".join(each.error.text() for each in self.problems)


def typed_schedule(raw: Any) -> ScheduleDef:
    """Validate a complete schedule and the names in it. Raises ScheduleRefused."""
    definition = _definition(raw)
    problems = [*_unknown_rules(definition), *_wrong_channels(definition)]
    if problems:
        raise ScheduleRefused(problems)
    return definition


def typed_timing(raw: Any) -> ScheduleDef:
    """Validate only the timing; name, rules and channels may still be missing or wrong.

    Raises ScheduleRefused.
    """
    values = raw if isinstance(raw, dict) else {}
    return _definition({**values, **_SAMPLE, "channels": []})


def _definition(raw: Any) -> ScheduleDef:
    try:
        definition = ScheduleDef.model_validate(raw)
    except ValidationError as error:
        raise ScheduleRefused(list(_problems(error))) from None
    # An all-high row is the default. It is left out so that equal schedules are stored alike.
    grid = {day: row for day, row in definition.grid.items() if row != "H" * 24}
    return definition.model_copy(update={"grid": grid})


def _problems(error: ValidationError) -> Iterator[Problem]:
    seen: set[str] = set()
    for detail in error.errors():
        path, message = _place(detail), _said(detail)
        if path not in seen:
            seen.add(path)
            yield Problem(path, message)


def _place(detail: Any) -> str:
    loc = [str(part) for part in detail["loc"]]
    if loc[:1] in (["weekend"], ["quiet_hours"], ["rules"]):
        return loc[0]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and ": " in message:
        # A check of the whole schedule begins its message with the field.
        loc.append(message.split(": ")[0])
    return ".".join(loc)


#: messages by a part of what a check of the form says
_CHECKS = {
    "not a time of day": DomainError("Enter a time of day such as 09:00."),
    "stands twice": DomainError("The same value appears twice."),
    "needs the date to count from": DomainError("Choose the date to count from."),
    "isoformat": DomainError("Choose a date."),
    "another time than from": DomainError("From and to must differ; 00:00 to 24:00 is the whole day."),
    "two different times": DomainError("From and to must be two different times."),
}
_WEEKEND = DomainError("Enter by how many percent intervals are stretched: 0 to %(most)s.", most=99900)


def _said(detail: Any) -> DomainError:
    if detail["loc"][:1] == ("weekend",):
        return _WEEKEND
    for part, error in _CHECKS.items():
        if part in detail["msg"]:
            return error
    return form_errors.said(detail)


def rule_names(codes: Iterable[str] | None = None) -> dict[str, str]:
    """Return the names of all rules, or of those with the given codes, by code."""
    query = select(Rule.code, Rule.name).order_by(Rule.code)
    if codes is not None:
        query = query.where(Rule.code.in_(list(codes)))
    return {row.code: row.name for row in db.session.execute(query)}


def _unknown_rules(definition: ScheduleDef) -> Iterator[Problem]:
    known = rule_names(definition.rules)
    for code in definition.rules:
        if code not in known:
            yield Problem("rules", DomainError("There is no rule with the code %(code)s.", code=code))


def _wrong_channels(definition: ScheduleDef) -> Iterator[Problem]:
    pairs = [(each.kind, each.target) for each in definition.channels]
    query = select(Target.kind, Target.code).where(Target.code.in_([code for _kind, code in pairs]))
    known = {(row.kind, row.code) for row in db.session.execute(query)}
    for place, (kind, code) in enumerate(pairs):
        path = f"channels.{place}.target"
        if (kind, code) not in known:
            error = DomainError(
                "There is no target with the code %(code)s of the kind %(kind)s.", code=code, kind=kind
            )
            yield Problem(path, error)
        elif (kind, code) in pairs[:place]:
            yield Problem(path, DomainError("The same value appears twice."))
