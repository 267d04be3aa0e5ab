"""The form of a target, derived from the settings model of its channel."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import lazy_gettext
from pydantic.fields import FieldInfo
from wtforms import (
    BooleanField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, Length, Optional

from app.channels import channel
from app.channels.base import Words
from app.console.forms import CODE
from app.errors import FieldError

#: put before the names of settings, which could otherwise clash with the form's own fields
PREFIX = "setting_"


def target_form(kind: str, *, with_code: bool) -> type[Any]:
    """Return the form class of a target of a kind, with a code field for a new one."""
    fields: dict[str, Any] = {}
    if with_code:
        fields["code"] = StringField(
            lazy_gettext("Code"),
            description=lazy_gettext("Schedules refer to the target by it; it can't be changed later."),
            validators=[DataRequired(), Length(max=64), CODE],
            widget=BS3TextFieldWidget(),
        )
    fields["name"] = StringField(
        lazy_gettext("Name"), validators=[DataRequired(), Length(max=128)], widget=BS3TextFieldWidget()
    )
    for name, info in channel(kind).settings.model_fields.items():
        fields[PREFIX + name] = _field(info)
    return type("TargetForm", (DynamicForm,), fields)


def _field(info: FieldInfo) -> Any:
    words = next((each for each in info.metadata if isinstance(each, Words)), Words(""))
    required = [DataRequired()] if info.is_required() else [Optional()]
    options = {"description": words.help, "validators": required, "default": _default(info, words)}
    is_list = get_origin(info.annotation) is list
    if words.choices and is_list:
        return SelectMultipleField(words.label, choices=words.choices, widget=Select2Widget(), **options)
    if words.choices or get_args(info.annotation):
        if not is_list:
            choices = words.choices or [(each, each) for each in get_args(info.annotation)]
            return SelectField(words.label, choices=choices, widget=Select2Widget(), **options)
        return TextAreaField(words.label, **options)
    if info.annotation is bool:
        return BooleanField(words.label, description=words.help, default=bool(info.default))
    if info.annotation is int:
        return IntegerField(words.label, **options)
    return StringField(words.label, widget=BS3TextFieldWidget(), **options)


def _default(info: FieldInfo, words: Words) -> Any:
    if info.is_required():
        return None
    return _shown(info.get_default(call_default_factory=True), words)


def _shown(value: Any, words: Words) -> Any:
    return "\n".join(value) if isinstance(value, list) and not words.choices else value


def fill(form: Any, kind: str, settings: dict[str, Any]) -> None:
    """Fill the form with stored settings."""
    for name, info in channel(kind).settings.model_fields.items():
        words = next((each for each in info.metadata if isinstance(each, Words)), Words(""))
        if name in settings:
            form[PREFIX + name].data = _shown(settings[name], words)


def read(form: Any, kind: str) -> dict[str, Any]:
    """Return the typed settings; a list has one item for each line of its field."""
    settings = {}
    for name, info in channel(kind).settings.model_fields.items():
        value = form[PREFIX + name].data
        if get_origin(info.annotation) is list and isinstance(value, str):
            value = [line.strip() for line in value.splitlines() if line.strip()]
        if value is not None and value != "":
            settings[name] = value
    return settings


def show_error(form: Any, error: FieldError) -> bool:
    """Show an error beside its field. Return False when the form has no such field."""
    name = next((each for each in (error.field, PREFIX + error.field) if each in form), None)
    if name is None:
        return False
    form[name].errors = [*form[name].errors, error.text()]
    return True
