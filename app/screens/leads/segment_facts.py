"""Tests of facts in the form of a segment: rows of fact, operator, value and days."""

from __future__ import annotations

import re
from typing import Any

from flask_appbuilder.fieldwidgets import Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import Field, IntegerField, SelectField, StringField
from wtforms.validators import Length, NumberRange, Optional

from app.activity import operators
from app.errors import DomainError
from app.facts import catalogue, conditions
from app.facts.cells import as_json, value_reader
from app.facts.conditions import MAX_DAYS, FactTest
from app.facts.definition import FactDef
from app.leads.errors import RowError
from app.segments.filter import AllOf
from app.segments.sentence import name_of

ROWS = 3
FELL_BY = "fell_by"
_SEPARATORS = re.compile(r"[,，;；、\n]+")
_OPERATORS: dict[str, Any] = {
    **{str(op): entry.sign for op, entry in operators.REGISTRY.items()},
    "!=": "≠",
    "in": lazy_gettext("is one of"),
    "within_days": lazy_gettext("is within the next … days"),
    FELL_BY: lazy_gettext("fell by … percent or more"),
}


def _facts() -> list[tuple[str, str]]:
    usable = [fact for fact in catalogue.definitions().values() if fact.purpose == "marketing"]
    return [("", "–"), *((fact.code, name_of(fact)) for fact in usable)]


def names(row: int) -> list[str]:
    """Return the fields of a row of the form."""
    return [f"fact_{row}", f"fact_{row}_op", f"fact_{row}_value", f"fact_{row}_days"]


def fields() -> dict[str, Field]:
    """Return the fields of all rows."""
    made: dict[str, Field] = {}
    for row in range(1, ROWS + 1):
        fact, op, value, days = names(row)
        made[fact] = SelectField(
            lazy_gettext("Fact %(n)s", n=row), choices=_facts, widget=Select2Widget(), validate_choice=False
        )
        made[op] = SelectField(
            lazy_gettext("Comparison"),
            choices=lambda: [(code, str(word)) for code, word in _OPERATORS.items()],
            widget=Select2Widget(),
            validate_choice=False,
        )
        made[value] = StringField(
            lazy_gettext("Value"),
            description=lazy_gettext("Several values are separated by commas."),
            validators=[Optional(), Length(max=2000)],
        )
        made[days] = IntegerField(
            lazy_gettext("Against the value of"),
            description=lazy_gettext("Only for a fact that fell."),
            validators=[Optional(), NumberRange(1, MAX_DAYS)],
        )
    return made


def read(form: Any, kept: Any) -> Any:
    """Return the filter of the form's rows and of the part that the form can't show, None without any.

    Raises DomainError for a value that doesn't fit its fact.
    """
    facts = {fact.code: fact for fact in catalogue.definitions().values()}
    tests = []
    for row in range(1, ROWS + 1):
        code, op, value, days = (form[name].data for name in names(row))
        if code and code != "None":  # what WTForms makes of a field that was not sent
            tests.append(_test(facts.get(code), code, op, (value or "").strip(), days))
    for test in tests:
        conditions.check(test, facts)
    parts = tests + (list(kept.all) if isinstance(kept, AllOf) else [kept] if kept else [])
    return parts[0] if len(parts) == 1 else AllOf(all=parts) if parts else None


def _test(fact: FactDef | None, code: str, op: str, value: str, days: int | None) -> FactTest:
    if fact is None:
        raise DomainError("There is no fact %(code)s.", code=code)
    if op not in _OPERATORS:
        raise DomainError("“%(name)s” can't be compared with %(op)s.", name=fact.name, op=op[:20])
    if not value:
        raise DomainError("“%(name)s” needs a value to compare with.", name=fact.name)
    if op == FELL_BY:
        share = value.removesuffix("%").strip()
        if not share.replace(".", "", 1).isdigit() or not 0 < float(share) <= 100 or days is None:
            raise DomainError("Say by how many percent “%(name)s” fell, against when.", name=fact.name)
        return FactTest(fact=code, fell_by=float(share) / 100, against_days=days)
    if op == "within_days":
        if not value.removeprefix("-").isdigit() or abs(int(value)) > MAX_DAYS:
            raise DomainError("“%(value)s” is not a number of days.", value=value[:20])
        return FactTest(fact=code, op="within_days", value=int(value))
    if op == "in":
        cells = [each.strip() for each in _SEPARATORS.split(value) if each.strip()]
        return FactTest(fact=code, op="in", value=[_typed(fact, each) for each in cells])
    return FactTest(fact=code, op=op, value=_typed(fact, value))  # type: ignore[arg-type]


def _typed(fact: FactDef, cell: str) -> Any:
    """Return a typed value as the cell of a file is read."""
    try:
        return as_json(value_reader(fact)(cell))
    except RowError as error:
        raise DomainError(error.message, **error.values) from None


def split(whole: Any) -> tuple[list[FactTest], Any]:
    """Return the tests that the rows of the form show, and the rest of a filter."""
    parts = list(whole.all) if isinstance(whole, AllOf) else [whole] if whole else []
    shown = [part for part in parts if isinstance(part, FactTest)][:ROWS]
    rest = [part for part in parts if not any(part is each for each in shown)]
    return shown, rest[0] if len(rest) == 1 else AllOf(all=rest) if rest else None


def fill(form: Any, whole: Any) -> None:
    """Fill the rows of the form."""
    for row, test in enumerate(split(whole)[0], 1):
        fact, op, value, days = (form[name] for name in names(row))
        fact.data = test.fact
        if test.fell_by is not None:
            op.data, value.data, days.data = FELL_BY, f"{test.fell_by * 100:g}", test.against_days
        else:
            op.data, value.data = test.op, _shown(test.value)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return f"{value:.15g}" if isinstance(value, float) else str(value)
