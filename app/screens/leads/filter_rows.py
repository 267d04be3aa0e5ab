"""Tests of a filter as rows of fields, for the forms of segments and rules.

A row is a test in fields, ``{what, op, value, days}``, or a part without fields, ``{filter, said}``, and is
kept as it is. All rows must hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from sqlalchemy import select
from wtforms import Field

from app import labels
from app.activity import operators
from app.activity.operators import OPERATORS
from app.console.controls import GroupWidget
from app.errors import DomainError
from app.extensions import db
from app.facts import catalogue
from app.facts.cells import as_json, value_reader
from app.facts.conditions import OPS, FactTest
from app.facts.definition import FactDef
from app.leads.errors import RowError
from app.models import Product
from app.segments import check
from app.segments.filter import (
    ANY,
    MAX_TESTS,
    AllOf,
    AnsweredTest,
    ContactedTest,
    InteractionsTest,
    MetricTest,
    NotOf,
    OutcomeTest,
    WholeFilter,
)
from app.segments.sentence import filter_sentence, name_of

Row = dict[str, Any]
FELL_BY, HAS, HAS_NOT = "fell_by", "has", "has_not"
_FILTER: TypeAdapter[Any] = TypeAdapter(WholeFilter)
_SEPARATORS = re.compile(r"[,，;；、\n]+")
_OPERATORS: dict[str, Any] = {
    **{str(op): entry.sign for op, entry in operators.REGISTRY.items()},
    "!=": "≠",
    "in": lazy_gettext("is one of"),
    "within_days": lazy_gettext("is within the next … days"),
    FELL_BY: lazy_gettext("fell by … percent or more"),
    HAS: lazy_gettext("Yes"),
    HAS_NOT: lazy_gettext("No"),
}
#: operators by the kind of a row's subject
_OPS: dict[str, tuple[str, ...]] = {
    **{kind: (*ops, FELL_BY) if kind in ("number", "money") else tuple(ops) for kind, ops in OPS.items()},
    "metric": (*OPERATORS, FELL_BY),
    "event": (HAS, HAS_NOT),
    "count": (">=",),
}
_CONTACTS: dict[str, Any] = {
    "contacted:any": lazy_gettext("Was contacted"),
    "contacted:sms": lazy_gettext("Was sent an SMS"),
    "contacted:call": lazy_gettext("Was called"),
    "answered:any": lazy_gettext("Answered a contact"),
    "answered:sms": lazy_gettext("Responded to an SMS"),
    "answered:call": lazy_gettext("Answered a call"),
}


def rows_of(whole: Any) -> list[Row]:
    """Return a filter as rows, a part without fields as it is."""
    parts = whole.all if isinstance(whole, AllOf) else [whole] if whole else []
    return [_row_of(part) or _kept(part) for part in parts]


def _kept(part: Any) -> Row:
    return {"filter": part.model_dump(mode="json", exclude_defaults=True), "said": filter_sentence(part)}


def _row_of(part: Any) -> Row | None:
    """Return the fields that show a test, None for a part that has none."""
    match part:
        case NotOf(not_=ContactedTest() | AnsweredTest() | OutcomeTest() as inner):
            return {**(_row_of(inner) or {}), "op": HAS_NOT}
        case FactTest(fact=code, fell_by=float(share), against_days=days):
            return _row(f"fact:{code}", FELL_BY, f"{share * 100:g}", days)
        case FactTest(fact=code, op=op, value=value):
            return _row(f"fact:{code}", op, _shown(value))
        case MetricTest(metric=metric, fell_by=float(share), against_days=days, window_days=None):
            return _row(f"metric:{metric}", FELL_BY, f"{share * 100:g}", days)
        case MetricTest(metric=metric, fell_by=None):
            return _row(f"metric:{metric}", part.op, str(part.value), part.window_days)
        case ContactedTest(contacted=channel):
            return _row(f"contacted:{channel}", HAS, days=part.days)
        case AnsweredTest(answered=channel):
            return _row(f"answered:{channel}", HAS, days=part.days)
        case InteractionsTest(interactions=number):
            return _row("interactions", ">=", str(number), part.days)
        case OutcomeTest(outcome=code):
            return _row(f"outcome:{code}", HAS, days=part.days)
    return None


def _row(what: str, op: str | None, value: str = "", days: int | None = None) -> Row:
    return {"what": what, "op": op, "value": value, "days": days}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def filter_of(rows: Any, known: check.Known | None = None) -> Any:
    """Return the filter that the rows of a form state, None without any. What they name is read unless given.

    Raises DomainError for a row that states no test, or one that can't be made.
    """
    if not isinstance(rows, list) or len(rows) > MAX_TESTS or not all(isinstance(row, dict) for row in rows):
        raise DomainError("A filter has at most %(most)s tests.", most=MAX_TESTS)
    there = known or check.read_known()
    facts = there.facts
    parts = [row["filter"] if "filter" in row else _stated(row, facts) for row in rows if _is_filled(row)]
    if not parts:
        return None
    try:
        whole = _FILTER.validate_python(parts[0] if len(parts) == 1 else {"all": parts})
    except ValidationError as error:
        first = error.errors()[0]
        raise DomainError(
            "The tests can't be read: %(problem)s", problem=f"{first['msg']} ({str(first['input'])[:40]})"
        ) from None
    for problem in check.problems(whole, there):
        raise problem
    return whole


def _is_filled(row: Row) -> bool:
    return "filter" in row or bool(row.get("what"))


def _stated(row: Row, facts: Mapping[str, FactDef]) -> dict[str, Any]:
    """Return the test that a row states, as the language of filters has it."""
    subject, _colon, name = str(row["what"]).partition(":")
    op, value = str(row.get("op")), str(row.get("value") or "").strip()[:2000]
    if subject == "fact":
        fact = facts.get(name)
        if fact is None:
            raise DomainError("There is no fact %(code)s.", code=name[:64])
        return {"fact": name, **_of_fact(fact, op, value, row.get("days"))}
    word = _word(str(row["what"]))
    if subject == "metric":
        if op == FELL_BY:
            return {subject: name, **_fall(word, value, row.get("days"))}
        return {subject: name, "op": op, "value": _whole(word, value), "window_days": _days(word, row)}
    if subject == "interactions":
        return {subject: _whole(word, value), "days": _days(word, row)}
    test = {subject: name, "days": _days(word, row)}
    return {"not": test} if op == HAS_NOT else test


def _word(what: str) -> str:
    """Return what the subject of a row is called."""
    return next((each.name for _group, group in subjects() for each in group if each.code == what), what)


def _whole(word: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value):
        raise DomainError("“%(name)s” needs a whole number.", name=word)
    return int(value)


def _days(word: str, row: Row) -> int:
    days = row.get("days")
    if not isinstance(days, int):
        raise DomainError("“%(name)s” needs the number of days to look back.", name=word)
    return days


def _fall(word: str, value: str, days: Any) -> dict[str, Any]:
    share = value.removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", share) or not 0 < float(share) <= 100 or not days:
        raise DomainError("Say by how many percent “%(name)s” fell, against when.", name=word)
    return {"fell_by": float(share) / 100, "against_days": days}


def _of_fact(fact: FactDef, op: str, value: str, days: Any) -> dict[str, Any]:
    if op not in _OPERATORS:
        raise DomainError("“%(name)s” can't be compared with %(op)s.", name=fact.name, op=op[:20])
    if not value:
        raise DomainError("“%(name)s” needs a value to compare with.", name=fact.name)
    if op == FELL_BY:
        return _fall(fact.name, value, days)
    if op == "within_days":
        if not re.fullmatch("-?[0-9]{1,4}", value):
            raise DomainError("“%(value)s” is not a number of days.", value=value[:20])
        return {"op": op, "value": int(value)}
    if op == "in":
        cells = [each.strip() for each in _SEPARATORS.split(value) if each.strip()]
        return {"op": op, "value": [_typed(fact, each) for each in cells]}
    return {"op": op, "value": _typed(fact, value)}


def _typed(fact: FactDef, cell: str) -> Any:
    """Return a typed value as the cell of a file is read."""
    try:
        return as_json(value_reader(fact)(cell))
    except RowError as error:
        raise DomainError(error.message, **error.values) from None


class Subject(NamedTuple):
    """What a row may test: its code and name, its kind, its unit and the values to choose from."""

    code: str
    name: str
    kind: str
    unit: str = ""
    choices: Sequence[str] = ()


def subjects() -> list[tuple[str, list[Subject]]]:
    """Return what rows may test, in groups."""
    metrics = [Subject(f"metric:{code}", str(word), "metric") for code, word in labels.METRIC.items()]
    contacts = [Subject(code, str(word), "event") for code, word in _CONTACTS.items()]
    products = db.session.execute(select(Product.code, Product.name).order_by(Product.name)).tuples()
    bought = [
        Subject(f"outcome:{code}", _("Bought: %(product)s", product=name), "event")
        for code, name in [(ANY, _("any product")), *products]
    ]
    return [
        (_("Customer facts"), _fact_subjects()),
        (_("Activity"), metrics),
        (_("Contacts"), [*contacts, Subject("interactions", _("Contacts answered"), "count")]),
        (_("Outcomes"), bought),
    ]


def _fact_subjects() -> list[Subject]:
    usable = [fact for fact in catalogue.definitions().values() if fact.purpose == "marketing"]
    values = {fact.code: [_("Yes"), _("No")] if fact.kind == "flag" else fact.choices for fact in usable}
    return [
        Subject(f"fact:{fact.code}", name_of(fact), fact.kind, fact.unit, values[fact.code])
        for fact in usable
    ]


def editor(*, facts_only: bool = False) -> dict[str, Any]:
    """Return what the template of the rows needs."""
    return {
        "subjects": subjects()[:1] if facts_only else subjects(),
        "ops": {kind: [(op, str(_OPERATORS[op])) for op in ops] for kind, ops in _OPS.items()},
    }


class RowsWidget(GroupWidget):
    """The editor of rows, whose value goes with the form as JSON."""

    def __call__(self, field: Any, **_attributes: Any) -> Markup:
        """Return the editor."""
        rows = render_template("leads/filter_rows.html", name=field.name, rows=field.data or [], **editor())
        return Markup(rows)  # noqa: S704  # a template of ours


class RowsField(Field):  # type: ignore[misc]
    """Rows of tests in a form of WTForms."""

    widget = RowsWidget()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the rows, which ``filter_of`` judges."""
        if valuelist:
            try:
                self.data = from_json(valuelist[0] or "[]")
            except ValueError:
                raise ValueError(_("Not a valid choice")) from None
