"""The visible filter row of a list: its fields and the chips of what is active.

A field's names are the query arguments that app/console/filters.py defines: ``_flt_<index>_<column>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import g, request, url_for
from flask_appbuilder.security.sqla.models import Role
from flask_babel import gettext as _
from sqlalchemy import select

from app import labels
from app.access.scope import visible_to
from app.console import urls
from app.console.access import may
from app.console.filters import phone_index
from app.extensions import db
from app.leads import lookup
from app.models import Branch

#: A drop-down of more entries than this helps nobody, and a relation may have millions.
MAX_CHOICES = 500
PHONE = "_flt_0_phone_index"


@dataclass(frozen=True)
class Input:
    """One control: a query argument, what it holds now, and its own short label inside a range."""

    name: str
    value: str
    label: str = ""


@dataclass(frozen=True)
class Field:
    """What one column can be filtered by. ``kind`` is text, phone, choice, number, date or hidden."""

    label: str
    kind: str
    inputs: list[Input]
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""

    @property
    def active(self) -> bool:
        """Whether something is typed or chosen."""
        return any(each.value for each in self.inputs)


@dataclass(frozen=True)
class Chip:
    """An active filter in words, and the address without it."""

    text: str
    url: str


def fields(view: Any) -> list[Field]:
    """The filter fields of a view, in the order of its ``search_columns``."""
    return [found for column in view.search_columns if (found := _field(view, column))]


def chips(shown: list[Field]) -> list[Chip]:
    """The active filters as removable chips."""
    return [
        Chip(_said(field, each), urls.here(drop=(each.name,), page_one=True))
        for field in shown
        for each in field.inputs
        if each.value
    ]


def address(view: Any) -> str:
    """The list's address for the filters of the posted form; a phone number goes in as its blind index.

    Raises InvalidPhone for a phone that is none, and as ``lookup.ask``.
    """
    arguments = {}
    for name in request.form:
        value = next((text.strip() for text in request.form.getlist(name) if text.strip()), "")
        if name.startswith("_flt_") and value:
            where = view.model.__tablename__
            arguments[name] = phone_index(value, where) if name == PHONE else value
    path = url_for(f"{view.endpoint}.list")
    return f"{path}?{urlencode(arguments)}" if arguments else path


def _field(view: Any, column: str) -> Field | None:
    label, data = str(view.label_columns[column]), view.datamodel
    if column in data.special:
        [own] = _inputs(column, "0")
        kind = data.special[column]
        return Field(label, "hidden" if kind.hidden else "choice", [own], kind.choices(own.value))
    if column in getattr(view, "filter_choices", {}):
        words = [(code, str(word)) for code, word in view.filter_choices[column].items()]
        return Field(label, "choice", _inputs(column, "1"), words)
    if data.is_relation(column):
        return Field(label, "choice", _inputs(column, "0"), related_choices(data.get_related_model(column)))
    if data.is_boolean(column):
        return Field(label, "choice", _inputs(column, "0"), [("1", _("Yes")), ("0", _("No"))])
    if data.is_datetime(column) or data.is_date(column):
        return Field(label, "date", _inputs(column, "01", (_("from"), _("to"))))
    if data.is_integer(column) or data.is_float(column):
        return Field(label, "number", _inputs(column, "12", (_("at least"), _("at most"))))
    if data.is_phone_index(column):
        if not may(*lookup.RIGHT):
            return None
        [own] = _inputs(column, "0")
        return Field(label, "phone", [own], [(own.value, _("the number you typed"))] if own.value else [])
    if data.is_string(column) or data.is_text(column):
        return Field(label, "text", _inputs(column, "0"), hint=_("starts with"))
    return None


def _inputs(column: str, indexes: str, labels: tuple[str, ...] = ("",)) -> list[Input]:
    names = [f"_flt_{index}_{column}" for index in indexes]
    return [
        Input(name, request.args.get(name, "").strip(), label)
        for name, label in zip(names, labels, strict=True)
    ]


def related_choices(model: type[Any]) -> list[tuple[str, str]]:
    """The rows of a related table that the person may see, as choices."""
    query = select(model).where(visible_to(g.user, model)).limit(MAX_CHOICES)
    if model is Branch:
        rows = db.session.scalars(query.order_by(Branch.path)).all()
        return [(str(row.id), "\u2003" * max(row.path.count("/") - 2, 0) + row.name) for row in rows]
    return sorted(
        ((str(row.id), name_of(row)) for row in db.session.scalars(query)), key=lambda pair: pair[1]
    )


def name_of(row: Any) -> str:
    """What a related row is called; built-in roles have their words."""
    return labels.word(labels.ROLE, row.name) if isinstance(row, Role) else str(row)


def _said(field: Field, each: Input) -> str:
    words = dict(field.choices)
    value = words.get(each.value, each.value).strip()
    if each.label:
        return _("%(column)s %(relation)s %(value)s", column=field.label, relation=each.label, value=value)
    return _("%(column)s: %(value)s", column=field.label, value=value)
