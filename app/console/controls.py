"""Form controls: one accessible control for each kind of field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from unicodedata import east_asian_width

from flask import render_template
from flask_babel import gettext as _
from markupsafe import Markup
from wtforms import widgets
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

#: one before the name of a choice for each level that it is down a tree
INDENT = "\u2003"


class GroupWidget:
    """A widget that draws itself: a control of several parts, which has a legend instead of a label."""

    def __call__(self, field: Any, **attributes: Any) -> Markup:
        """Return the control."""
        raise NotImplementedError


def control(field: Any, units: dict[str, Any] | None = None) -> Markup:
    """Return the control of a field, with its unit and its attributes for assistive technology."""
    unit = (units or {}).get(field.name)
    drawn = _draw(field)
    if unit:
        return Markup('<span class="with-unit">{}<span class="unit">{}</span></span>').format(drawn, unit)
    return drawn


def date_input(**attributes: Any) -> Markup:
    """Return a date field: typed, or chosen in a calendar (dates.js). It sends ISO dates."""
    return _drawn("date", attributes)


def time_input(**attributes: Any) -> Markup:
    """Return a field for a time of day, HH:MM: typed, or chosen from a list of half hours."""
    return _drawn("time", attributes)


def file_input(**attributes: Any) -> Markup:
    """Return a file field with a button and the chosen names in the page's language. Files can be dropped."""
    return _drawn("file", attributes)


def _drawn(kind: str, attributes: dict[str, Any]) -> Markup:
    named = {name.replace("_", "-"): value for name, value in attributes.items() if name != "class"}
    return Markup(render_template(f"widgets/{kind}.html", attributes=named))  # noqa: S704 - an escaping template


class _FloatWidget(widgets.NumberInput):
    def __call__(self, field: Any, **attributes: Any) -> Markup:
        return super().__call__(field, value=field._value().removesuffix(".0"), **attributes)


class _DateWidget(widgets.TextInput):
    def __call__(self, field: Any, **attributes: Any) -> Markup:
        return date_input(id=field.id, name=field.name, value=field._value(), **attributes)


class _TimeWidget(widgets.TextInput):
    def __call__(self, field: Any, **attributes: Any) -> Markup:
        return time_input(id=field.id, name=field.name, value=field._value(), **attributes)


class _FileWidget(widgets.FileInput):
    def __call__(self, field: Any, **attributes: Any) -> Markup:
        return file_input(id=field.id, name=field.name, **attributes)


_WIDGETS: dict[str, Any] = {
    "BooleanField": widgets.CheckboxInput(),
    "IntegerField": widgets.NumberInput(step="1"),
    "FloatField": _FloatWidget(step="any"),
    "DecimalField": widgets.NumberInput(step="any"),
    "DateField": _DateWidget(),
    "TimeField": _TimeWidget(),
    "TextAreaField": widgets.TextArea(),
    "PasswordField": widgets.PasswordInput(),
    "FileField": _FileWidget(),
}


def is_group(field: Any) -> bool:
    """Return whether the field is a group of check boxes or parts, which has a legend instead of a label."""
    is_list = isinstance(field.widget, widgets.Select) and _is_multiple(field)
    return is_list or isinstance(field.widget, GroupWidget)


def is_check(field: Any) -> bool:
    """Return whether the field is a single check box."""
    return bool(field.type == "BooleanField")


def is_required(field: Any) -> bool:
    """Return whether the field is required."""
    return any(isinstance(each, DataRequired | InputRequired) for each in field.validators) and not is_check(
        field
    )


def shown_fields(form: Any, groups: Any = None) -> list[Any]:
    """Return the fields in the order in which they stand, that of the groups where there are some."""
    grouped = [each for _title, fields in groups or () for each in fields]
    return grouped + [each for each in form if each not in grouped]


def error_count(form: Any) -> int:
    """Return the number of fields with an error."""
    return sum(bool(field.errors) for field in form)


def _draw(field: Any) -> Markup:
    if isinstance(field.widget, GroupWidget):
        return field.widget(field)
    if is_group(field):
        return _checklist(field)
    drawn: Markup = _widget(field)(field, **_attributes(field))
    return drawn


def _widget(field: Any) -> Any:
    if isinstance(field.widget, widgets.Select):
        if getattr(field, "allow_blank", False):
            field.blank_text = _("(none)")
        return widgets.Select()
    return _WIDGETS.get(_kind(field), widgets.TextInput())


def _kind(field: Any) -> str:
    """Return the name of the class that says how a field is drawn: its own or one that it is made of."""
    return next((each.__name__ for each in type(field).__mro__ if each.__name__ in _WIDGETS), "")


def _attributes(field: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {"class": "check" if is_check(field) else "control"}
    described = [f"{field.id}-{part}" for part in ("help", "error") if _has(field, part)]
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if field.errors:
        attributes["aria-invalid"] = "true"
    attributes["required"] = is_required(field)
    for validator in field.validators:
        if isinstance(validator, Length) and validator.max > 0:
            attributes["maxlength"] = validator.max
        if isinstance(validator, NumberRange):
            attributes |= {"min": validator.min, "max": validator.max}
    if _kind(field) == "TextAreaField":
        attributes["rows"] = 3
    if isinstance(field.data, Decimal) and not field.raw_data:
        attributes["value"] = f"{field.data.normalize():f}"
    if field.type == "PasswordField":
        attributes["autocomplete"] = "new-password" if "present" not in field.name else "current-password"
    if field.type == "FileField":
        attributes["accept"] = ".xlsx,.xls,.csv"
    if field.type == "DateField" and isinstance(field.data, dt.datetime):
        field.data = field.data.date()
    return {name: value for name, value in attributes.items() if value not in (None, False)}


def _has(field: Any, part: str) -> bool:
    return bool(field.errors if part == "error" else field.description)


def _is_multiple(field: Any) -> bool:
    return "Multiple" in type(field).__name__


def _checklist(field: Any) -> Markup:
    options = list(field.iter_choices())
    boxes = Markup("").join(_box(field, place, choice) for place, choice in enumerate(options))
    finder = Markup("")
    if len(options) > 12:
        finder = Markup(
            '<input type="search" class="control checklist-find" placeholder="{0}" aria-label="{0}">'
        ).format(_("Find in the list"))
    if not options:
        boxes = Markup('<p class="help">{}</p>').format(_("Nothing to choose from yet."))
    texts = [str(text) for _value, text, *_rest in options]
    longest = max(map(len, texts), default=0)
    widest = max(map(_width, texts), default=0)
    if any(text.startswith(INDENT) for text in texts):
        kind = " checklist-tree"
    else:
        kind = " checklist-long" if widest > 28 else " checklist-short" if longest < 8 else ""
    return Markup('<div class="checklist{}">{}<div class="checklist-boxes">{}</div></div>').format(
        kind, finder, boxes
    )


def _width(text: str) -> int:
    """Return the width of a text in Latin letters; a Chinese character takes two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _box(field: Any, place: int, choice: Iterable[Any]) -> Markup:
    value, text, ticked, *_rest = choice
    name = str(text).lstrip(INDENT)
    depth = len(str(text)) - len(name)
    return Markup(
        '<label data-depth="{5}"><input type="checkbox" class="check" name="{0}" '
        'id="{1}-{2}" value="{3}"{4}> <span data-within="{7}">{6}</span></label>'
    ).format(
        *(field.name, field.id, place, value, Markup(" checked") if ticked else ""),
        *(depth, name, _("included")),
    )
