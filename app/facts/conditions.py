"""Tests of facts in filters of leads: their definition and checks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from app.errors import DomainError
from app.facts.definition import FactDef
from app.lib.strict import Code, Strict

MAX_VALUES = 200
MAX_DAYS = 3650
Op = Literal[">=", ">", "==", "!=", "<=", "<", "in", "within_days"]
ORDER: tuple[Op, ...] = (">=", ">", "==", "!=", "<=", "<")
#: operators by the kind of a fact
OPS: dict[str, tuple[Op, ...]] = {
    "number": ORDER,
    "money": ORDER,
    "date": (*ORDER, "within_days"),
    "choice": ("==", "!=", "in"),
    "flag": ("==",),
    "text": ("==", "!=", "in"),
}
_COMPARED = ("number", "money")
Scalar = bool | int | float | str


def _as_text(value: Any) -> Any:
    """Return dates, as YAML has them, as ISO text."""
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return value.isoformat() if isinstance(value, dt.date) else value


#: a value of each kind of fact with which every known one compares
_SOME: dict[str, Scalar] = {"number": 0, "money": 0, "date": "2000-01-01", "flag": True, "text": "-"}


class FactTest(Strict):
    """A test of a fact. It is false for a lead of whom the fact isn't known.

    Either ``op`` compares it with ``value`` (``in``: a list; ``within_days``: so many days from now, into the
    past when negative), or it ``fell_by`` a share against its value ``against_days`` before.
    """

    fact: Code
    op: Op | None = None
    value: Annotated[Scalar | list[Scalar] | None, BeforeValidator(_as_text)] = None
    fell_by: Annotated[float, Field(gt=0, le=1)] | None = None
    against_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None

    @model_validator(mode="after")
    def _is_one_test(self) -> Self:
        compared = (self.op is not None, self.value is not None)
        fell = (self.fell_by is not None, self.against_days is not None)
        if len(set(compared)) > 1 or len(set(fell)) > 1 or any(compared) == any(fell):
            raise ValueError("give op and value, or fell_by and against_days")
        if isinstance(self.value, list) != (self.op == "in"):
            raise ValueError("the operator in, and only it, has a list of values")
        if isinstance(self.value, list) and not 1 <= len(self.value) <= MAX_VALUES:
            raise ValueError(f"give from 1 to {MAX_VALUES} values")
        return self


def check(test: FactTest, facts: Mapping[str, FactDef]) -> None:
    """Raise DomainError when the fact isn't defined, isn't for marketing, or can't be tested so."""
    fact = check_usable(test, facts)
    if test.fell_by is not None:
        if fact.kind not in _COMPARED:
            raise DomainError("“%(name)s” is no number that could have fallen.", name=fact.name)
    elif test.op not in OPS[fact.kind]:
        raise DomainError("“%(name)s” can't be compared with %(op)s.", name=fact.name, op=str(test.op))
    else:
        for value in test.value if isinstance(test.value, list) else [test.value]:
            _check_value(fact, test.op, value)


def check_usable(test: FactTest, facts: Mapping[str, FactDef]) -> FactDef:
    """Return the fact of a test. Raises DomainError when it isn't defined or isn't for marketing."""
    fact = facts.get(test.fact)
    if fact is None:
        raise DomainError("There is no fact %(code)s.", code=test.fact)
    if fact.purpose != "marketing":
        raise DomainError(
            "“%(name)s” may not be used to choose customers: its purpose is not marketing.", name=fact.name
        )
    return fact


def _check_value(fact: FactDef, op: str, value: Any) -> None:
    numeric = fact.kind in _COMPARED or op == "within_days"
    if numeric:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        fits = fits and (op != "within_days" or (value == int(value) and abs(value) <= MAX_DAYS))
    elif fact.kind == "flag":
        fits = isinstance(value, bool)
    elif fact.kind == "date":
        fits = isinstance(value, str) and _is_date(value)
    else:
        fits = isinstance(value, str) and (fact.kind == "text" or value in fact.choices)
    if not fits:
        raise DomainError(
            "“%(value)s” can't be compared with the fact “%(name)s”.", value=str(value)[:40], name=fact.name
        )


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def both_ways(fact: FactDef) -> list[FactTest]:
    """Return tests of which one holds if the fact is known, whatever its value."""
    value = fact.choices[0] if fact.choices else _SOME[fact.kind]
    if fact.kind == "flag":
        return [FactTest(fact=fact.code, op="==", value=each) for each in (True, False)]
    ops: tuple[Op, Op] = (">=", "<") if ">=" in OPS[fact.kind] else ("==", "!=")
    return [FactTest(fact=fact.code, op=op, value=value) for op in ops]
