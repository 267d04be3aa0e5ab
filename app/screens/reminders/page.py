"""Parts of the reminder screens: texts, filters, and the form of reminders by e-mail."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import g
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from app.console import formats
from app.console.filters import ChoiceFilter
from app.lib.settings import current_settings
from app.models import Reminder
from app.reminders.choices import HOW, KINDS, offered
from app.reminders.filters import READ, UNREAD
from app.reminders.labels import KIND, text_of


def shown(reminder: Reminder) -> Any:
    """Return the text of a reminder in the reader's language; unread ones are bold."""
    text = text_of(reminder)
    return text if reminder.read_at else Markup("<strong>{}</strong>").format(formats.clip(text))


class ReadState(ChoiceFilter):
    """Reminders by read state."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return “Unread” and “Read”."""
        return [(UNREAD, _("Unread")), (READ, _("Read"))]


def _how() -> list[tuple[str, Any]]:
    return [("", _("Not by e-mail")), *HOW.items()]


class ReminderChoiceForm(DynamicForm):  # type: ignore[misc]
    """For each kind of reminder whether it also comes by e-mail; the fields have the kinds' names."""

    daily_at = StringField(
        lazy_gettext("Time of the daily mail"),
        description=lazy_gettext("Local time, such as 08:30. No mail is sent on days without new reminders."),
        validators=[DataRequired(), Length(max=5)],
        widget=BS3TextFieldWidget(),
    )

    def validate_daily_at(self, field: Any) -> None:
        """Require a time of day."""
        if time_of(field.data) is None:
            raise ValidationError(_("Enter a time of day such as 08:30."))

    def mail_choices(self) -> dict[str, str]:
        """Return how each kind comes by e-mail, for the kinds that do and that the user is offered."""
        return {kind: self[kind].data for kind in offered(g.user) if self[kind].data}


for _kind in KINDS:
    _field = SelectField(KIND[_kind], choices=_how, default="", widget=Select2Widget())
    setattr(ReminderChoiceForm, _kind, _field)


def time_of(text: str | None) -> dt.time | None:
    """Return the typed time of day, None when it is invalid."""
    try:
        return dt.datetime.strptime((text or "").strip(), "%H:%M").time()
    except ValueError:
        return None


def facts() -> list[tuple[str, str]]:
    """Return the user's e-mail address, and whether a mail server is set up."""
    rows = [(_("E-mail"), g.user.email or _("none"))]
    if not current_settings().smtp_url:
        missing = _("Not set up yet: no mail is sent until an administrator configures a mail server.")
        rows.append((_("Mail server"), missing))
    return rows
