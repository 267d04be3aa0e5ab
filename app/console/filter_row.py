"""The filter row of a list: its fields, and chips for the active filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app, g, request, url_for
from flask_appbuilder.security.sqla.models import Role
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import select

from app import labels
from app.access.scope import visible_to
from app.console import people, urls
from app.console.access import may
from app.console.controls import INDENT
from app.console.filters import TextFilter
from app.extensions import db
from app.leads import number_limit, suppression
from app.leads.errors import InvalidPhone
from app.lib.row_id import row_id
from app.models import Branch
from app.selection import kind_of, operators_of
from app.selection.columns import is_phone_index

#: A longer drop-down is of no use, and a relation may have millions of rows.
MAX_CHOICES = 500


@dataclass(frozen=True)
class Input:
    """One control: its query argument, current value and, in a range, its own label."""

    name: str
    value: str
    label: str = ""


@dataclass(frozen=True)
class Field:
    """The filter of one column. ``kind`` is text, phone, choice, number, date or hidden."""

    label: str
    kind: str
    inputs: list[Input]
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    #: the value that holds until another one is chosen; such a field has no "All"
    default: str = ""

    @property
    def active(self) -> bool:
        """Return whether a value is set."""
        return any(each.value not in ("", self.default) for each in self.inputs)


@dataclass(frozen=True)
class Chip:
    """An active filter: its text, and the address of the list without it."""

    text: str
    url: str


def fields(view: Any, arguments: Mapping[str, str] | None = None) -> list[Field]:
    """Return the filter fields of a view, in the order of its ``search_columns``.

    ``arguments`` are the query arguments, by default those of the request. Active filters without a control
    come last, as hidden fields.
    """
    row = _Row(view, request.args if arguments is None else arguments)
    visible = [field for column in view.search_columns if (field := row.field(column))]
    return [*visible, *row.hidden(visible)]


def fields_of(view: Any, columns: Sequence[str], kept: Iterable[tuple[str, str]]) -> list[Field]:
    """Return the empty fields of some columns, and ``kept`` column and value as hidden ones."""
    row = _Row(view, {})
    hidden = [
        Field(column, "hidden", [Input(urls.argument(view.model, column), value)]) for column, value in kept
    ]
    return [*(field for column in columns if (field := row.field(column))), *hidden]


def active(fields: list[Field]) -> Iterator[tuple[Field, Input]]:
    """Yield every control that has a value, with its field."""
    return (
        (field, each) for field in fields for each in field.inputs if each.value not in ("", field.default)
    )


def chips(fields: list[Field]) -> list[Chip]:
    """Return the active filters as removable chips."""
    return [
        Chip(describe(field, each), urls.here(drop=(each.name,), page_one=True))
        for field, each in active(fields)
    ]


def address(view: Any) -> str:
    """Return the list's address for the posted filters, with a phone number replaced by its blind index.

    Raises InvalidPhone for an invalid phone number, and what ``number_limit.record_search`` raises.
    """
    arguments = []
    for name in request.form:
        value = next((text.strip() for text in request.form.getlist(name) if text.strip()), "")
        if urls.is_filter(name) and value:
            column, _operator = urls.column_and_operator(view.model, name) or ("", "")
            is_phone = kind_of(view.model, column) == "phone"
            arguments.append((name, _phone_index(value, view.model.__tablename__) if is_phone else value))
    opened = row_id(request.form.get("saved", ""))
    kept = [("saved", str(opened))] if opened else []
    return urls.with_query(url_for(f"{view.endpoint}.list"), arguments + kept)


def _phone_index(text: str, where: str) -> str:
    """Return the blind index of a full phone number and log the look-up. Return an index as it is."""
    if is_phone_index(text):
        return text
    target = suppression.phone_target(text, current_app.config["SETTINGS"])
    number_limit.record_search(target, where, g.user.username)
    return str(target.phone_index)


_OPERATOR = {
    "is": lazy_gettext("is"),
    "starts": lazy_gettext("starts with"),
    "from": lazy_gettext("from"),
    "to": lazy_gettext("to"),
}


class _Row:
    """The fields of one view with their current values."""

    def __init__(self, view: Any, arguments: Mapping[str, str]) -> None:
        self._view, self._arguments = view, arguments
        chosen = (urls.column_and_operator(view.model, name) for name in arguments if urls.is_filter(name))
        self._defaults: Mapping[str, str] = view.defaults({each[0] for each in chosen if each})

    def field(self, column: str) -> Field | None:
        """Return the field of a column, None when it has none or the user may not use it."""
        view, label = self._view, str(self._view.label_columns[column])
        kind = kind_of(view.model, column)
        if column in view.datamodel.special:
            [own] = self._inputs(column, ("is", ""))
            special = view.datamodel.special[column]
            if issubclass(special, TextFilter):
                return Field(label, "text", [own], hint=str(special.hint))
            kind_of_field = "hidden" if special.hidden else "choice"
            default = self._defaults.get(column, "")
            return Field(label, kind_of_field, [own], special.choices(own.value), default=default)
        if column in getattr(view, "filter_choices", {}):
            words = [(code, str(word)) for code, word in view.filter_choices[column].items()]
            return Field(label, "choice", self._inputs(column, ("is", "")), words)
        return getattr(self, f"_{kind}")(column, label) if kind else None

    def hidden(self, visible: list[Field]) -> Iterator[Field]:
        """Yield a hidden field for each active filter without a control in ``visible``."""
        controls = {each.name for field in visible for each in field.inputs}
        for column in self._view.search_columns:
            if kind_of(self._view.model, column) == "phone":
                continue
            for operator in operators_of(self._view.model, column):
                [own] = self._inputs(column, (operator, str(_OPERATOR[operator])))
                if own.value and own.name not in controls:
                    yield Field(str(self._view.label_columns[column]), "hidden", [own])

    def _relation(self, column: str, label: str) -> Field:
        choices = related_choices(self._view.datamodel.get_related_model(column))
        return Field(label, "choice", self._inputs(column, ("is", "")), choices)

    _relations = _relation

    def _flag(self, column: str, label: str) -> Field:
        return Field(label, "choice", self._inputs(column, ("is", "")), [("1", _("Yes")), ("0", _("No"))])

    def _day(self, column: str, label: str) -> Field:
        return Field(label, "date", self._inputs(column, ("from", _("from")), ("to", _("to"))))

    _moment = _day

    def _number(self, column: str, label: str) -> Field:
        return Field(label, "number", self._inputs(column, ("from", _("at least")), ("to", _("at most"))))

    def _phone(self, column: str, label: str) -> Field | None:
        if not may(*number_limit.RIGHT):
            return None
        [own] = self._inputs(column, ("is", ""))
        return Field(label, "phone", [own], [(own.value, _("the number you typed"))] if own.value else [])

    def _text(self, column: str, label: str) -> Field:
        return Field(label, "text", self._inputs(column, ("starts", "")), hint=_("starts with"))

    def _person(self, column: str, label: str) -> Field:
        [own] = self._inputs(column, ("is", ""))
        return Field(label, "choice", [own], people.choices(own.value))

    def _inputs(self, column: str, *operators: tuple[str, str]) -> list[Input]:
        """Return a control for each operator and label."""
        names = [urls.argument(self._view.model, column, operator) for operator, _label in operators]
        labels = [label for _operator, label in operators]
        return [
            Input(name, self._arguments.get(name, "").strip() or self._defaults.get(column, ""), label)
            for name, label in zip(names, labels, strict=True)
        ]


def is_phone(text: str) -> bool:
    """Return whether a text is a full phone number by which the user may look a customer up."""
    if not may(*number_limit.RIGHT):
        return False
    try:
        suppression.phone_target(text, current_app.config["SETTINGS"])
    except InvalidPhone:
        return False
    return True


def phone_typed_as_text(fields: Iterable[Field]) -> str:
    """Return a full phone number that was typed into a filter by name, an empty text without one."""
    texts = (each.value for field, each in active(list(fields)) if field.kind == "text")
    return next((text for text in texts if is_phone(text)), "")


def related_choices(model: type[Any]) -> list[tuple[str, str]]:
    """Return the rows of a related table that the user may see, as choices."""
    query = select(model).where(visible_to(g.user, model)).limit(MAX_CHOICES)
    if model is Branch:
        rows = db.session.scalars(query.order_by(Branch.path)).all()
        return [(str(row.id), INDENT * max(row.path.count("/") - 2, 0) + row.name) for row in rows]
    return sorted(
        ((str(row.id), name_of(row)) for row in db.session.scalars(query)), key=lambda pair: pair[1]
    )


def name_of(row: Any) -> str:
    """Return the name of a related row; built-in roles have display names."""
    return labels.word(labels.ROLE, row.name) if isinstance(row, Role) else str(row)


def describe(field: Field, each: Input) -> str:
    """Return the filter of one control in words."""
    words = dict(field.choices)
    value = words.get(each.value, each.value).strip()
    if each.label:
        return _("%(column)s %(relation)s %(value)s", column=field.label, relation=each.label, value=value)
    return _("%(column)s: %(value)s", column=field.label, value=value)
