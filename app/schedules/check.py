"""A typed schedule as a definition, or what is wrong with it, place by place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import select

from app.errors import DomainError
from app.extensions import db
from app.models import Rule, Target
from app.schedules.definition import ScheduleDef

#: Stands in for what a preview does not need while it is still missing.
_SAMPLE = {"code": "DRAFT", "name": "draft", "rules": ["DRAFT"]}


class Problem(NamedTuple):
    """Something wrong at a place such as ``ranges.0.to``; empty for the schedule as a whole."""

    path: str
    error: DomainError


class ScheduleRefused(DomainError):
    """What was typed is no schedule; ``problems`` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("The schedule can't be saved like this; see what is marked.")

    def text(self) -> str:
        """Every problem, in the language of the person who asks."""
        return " ".join(each.error.text() for each in self.problems)


def typed_schedule(raw: Any) -> ScheduleDef:
    """The definition that was typed, complete and naming only what exists. Raises ScheduleRefused."""
    definition = _definition(raw)
    problems = [*_unknown_rules(definition), *_wrong_channels(definition)]
    if problems:
        raise ScheduleRefused(problems)
    return definition


def typed_timing(raw: Any) -> ScheduleDef:
    """The definition's timing as typed so far; name, rules and channels may still be missing or wrong.

    Raises ScheduleRefused.
    """
    given = raw if isinstance(raw, dict) else {}
    return _definition({**given, **_SAMPLE, "channels": []})


def _definition(raw: Any) -> ScheduleDef:
    try:
        found = ScheduleDef.model_validate(raw)
    except ValidationError as error:
        raise ScheduleRefused(list(_problems(error))) from None
    # A row that is all high says nothing: left out, so that equal schedules are stored alike.
    return found.model_copy(update={"grid": {d: row for d, row in found.grid.items() if row != "H" * 24}})


def _problems(error: ValidationError) -> Iterator[Problem]:
    seen: set[str] = set()
    for detail in error.errors():
        path, said = _place(detail), _said(detail)
        if path not in seen:
            seen.add(path)
            yield Problem(path, said)


def _place(detail: Any) -> str:
    loc = [str(part) for part in detail["loc"]]
    if loc[:1] in (["weekend"], ["quiet_hours"], ["rules"]):
        return loc[0]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and ": " in message:
        # A check of the whole names its field first.
        loc.append(message.split(": ")[0])
    return ".".join(loc)


#: pydantic's errors that people can make, and their words
_SAID = {
    "missing": DomainError("This must be filled in."),
    "string_too_short": DomainError("This must be filled in."),
    "too_short": DomainError("Choose at least one."),
    "string_too_long": DomainError("At most %(max_length)s characters.", max_length=0),
    "string_pattern_mismatch": DomainError("Use letters, digits, dots, dashes and underscores."),
    "int_type": DomainError("Type a whole number."),
    "int_from_float": DomainError("Type a whole number."),
    "float_type": DomainError("Type a number."),
    "greater_than_equal": DomainError("At least %(ge)s.", ge=0),
    "less_than_equal": DomainError("At most %(le)s.", le=0),
}
_CHECKS = {
    "not a time of day": DomainError("Type a time of day such as 09:00."),
    "stands twice": DomainError("The same value stands twice."),
    "needs the date to count from": DomainError("Choose the date to count from."),
    "isoformat": DomainError("Choose a date."),
    "another time than from": DomainError("From and to must differ; 00:00 to 24:00 is the whole day."),
    "two different times": DomainError("From and to must be two different times."),
}
_WEEKEND = DomainError("Type by how many percent intervals grow: 0 to %(most)s.", most=99900)
_UNUSABLE = DomainError("This value can't be used here.")


def _said(detail: Any) -> DomainError:
    if detail["loc"][:1] == ("weekend",):
        return _WEEKEND
    for part, error in _CHECKS.items():
        if part in detail["msg"]:
            return error
    known, given = _SAID.get(detail["type"], _UNUSABLE), detail.get("ctx") or {}
    return DomainError(known.message, **{name: given.get(name, "") for name in known.values})


def rule_names(codes: Iterable[str] | None = None) -> dict[str, str]:
    """The names of all rules, or of those with these codes, by code."""
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
    wanted = [(each.kind, each.target) for each in definition.channels]
    query = select(Target.kind, Target.code).where(Target.code.in_([code for _kind, code in wanted]))
    known = {(row.kind, row.code) for row in db.session.execute(query)}
    for place, (kind, code) in enumerate(wanted):
        path = f"channels.{place}.target"
        if (kind, code) not in known:
            error = DomainError("There is no target %(code)s of the kind %(kind)s.", code=code, kind=kind)
            yield Problem(path, error)
        elif (kind, code) in wanted[:place]:
            yield Problem(path, DomainError("The same value stands twice."))
