"""The fields of a gateway's form; lists have one value per line."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextAreaFieldWidget, BS3TextFieldWidget
from flask_babel import lazy_gettext
from wtforms import FloatField, IntegerField, PasswordField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app.outreach.http_gateway import LABELS

LISTS = ("accepted", "rejected", "busy", "absent")
FIELDS = (
    *("url", "status_url", "request", "status_request", "result", "ref"),
    *(*LISTS, "seconds", "per_second"),
)
UNITS = {"seconds": lazy_gettext("seconds"), "per_second": lazy_gettext("per second")}
_HELP: dict[str, Any] = {
    "url": lazy_gettext(
        "For example https://sms.example.com/send; its host must be listed in WEBHOOK_ALLOW."
    ),
    "status_url": lazy_gettext(
        "Queried after a time-out instead of sending again. Without it, the result stays unclear."
    ),
    "request": lazy_gettext("JSON whose strings may contain {key}, {phone}, {text} and {channel}."),
    "status_request": lazy_gettext("JSON whose strings may contain {key}."),
    "result": lazy_gettext("A JSON pointer, such as /data/code."),
    "ref": lazy_gettext("A JSON pointer, such as /data/id; empty for none."),
    **dict.fromkeys(LISTS, lazy_gettext("One value per line.")),
}


def _line(name: str, *validators: Any) -> StringField:
    return StringField(
        LABELS[name], description=_HELP[name], validators=list(validators), widget=BS3TextFieldWidget()
    )


def _lines(name: str, *validators: Any) -> TextAreaField:
    return TextAreaField(
        LABELS[name], description=_HELP[name], validators=list(validators), widget=BS3TextAreaFieldWidget()
    )


def fields(*, new: bool = False) -> dict[str, Any]:
    """Return the fields of the settings and the secret, for a gateway that is there or for a new one."""
    return {
        "url": _line("url", DataRequired(), Length(max=1000)),
        "status_url": _line("status_url", Optional(), Length(max=1000)),
        "request": _lines("request", DataRequired(), Length(max=4000)),
        "status_request": _lines("status_request", DataRequired(), Length(max=4000)),
        "result": _line("result", Optional(), Length(max=200)),
        "ref": _line("ref", Optional(), Length(max=200)),
        **{name: _lines(name, Optional(), Length(max=1000)) for name in LISTS},
        "seconds": IntegerField(LABELS["seconds"], validators=[InputRequired(), NumberRange(1, 30)]),
        "per_second": FloatField(LABELS["per_second"], validators=[InputRequired(), NumberRange(1, 1000)]),
        "secret": PasswordField(
            lazy_gettext("Secret"),
            description=lazy_gettext("Signs the requests and is never shown; 16 characters or more.")
            if new
            else lazy_gettext("Signs the requests and is never shown. Leave empty to keep the current one."),
            validators=[Optional(), Length(min=16, max=200)],
            widget=BS3PasswordFieldWidget(),
        ),
    }


def fill(form: Any, settings: dict[str, Any]) -> None:
    """Fill the form with settings."""
    for name in FIELDS:
        value = settings.get(name)
        form[name].data = "\n".join(value) if isinstance(value, list) else value


def values(form: Any) -> dict[str, Any]:
    """Return the typed values, for ``http_gateway.checked``."""
    typed = {name: form[name].data if form[name].data is not None else "" for name in FIELDS}
    for name in LISTS:
        typed[name] = [line.strip() for line in typed[name].splitlines() if line.strip()]
    for name in ("url", "status_url", "result", "ref"):
        typed[name] = typed[name].strip()
    return typed
