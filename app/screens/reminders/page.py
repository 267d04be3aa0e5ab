"""What the screens of reminders show: texts, filters, the form of what comes by e-mail."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import current_app, g
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, ValidationError

from app.console.filters import ChoiceFilter
from app.models import Reminder
from app.reminders.choices import HOW, KINDS, offered
from app.reminders.filters import READ, UNREAD
from app.reminders.labels import KIND, text_of


def shown(reminder: Reminder) -> Any:
    """What it says, in the reader's language; unread ones stand out."""
    text = text_of(reminder)
    return text if reminder.read_at else Markup("<strong>{}</strong>").format(text)


class ReadState(ChoiceFilter):
    """Reminders that were read or not."""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Unread, read."""
        return [(UNREAD, _("Unread")), (READ, _("Read"))]


def _how() -> list[tuple[str, Any]]:
    return [("", _("Not by e-mail")), *HOW.items()]


class ReminderChoiceForm(DynamicForm):  # type: ignore[misc]
    """For each kind of reminder, whether it comes by e-mail too; fields by the kind's name."""

    daily_at = StringField(
        lazy_gettext("Time of the daily mail"),
        description=lazy_gettext("Local time, such as 08:30. No mail is sent on days without new reminders."),
        validators=[DataRequired()],
        widget=BS3TextFieldWidget(),
    )

    def validate_daily_at(self, field: Any) -> None:
        """A time of day."""
        if time_of(field.data) is None:
            raise ValidationError(_("Enter a time of day such as 08:30."))

    def chosen(self) -> dict[str, str]:
        """The kinds that come by e-mail, with how; of those that the person is offered."""
        return {kind: self[kind].data for kind in offered(g.user) if self[kind].data}


for _kind in KINDS:
    _field = SelectField(KIND[_kind], choices=_how, default="", widget=Select2Widget())
    setattr(ReminderChoiceForm, _kind, _field)


def time_of(text: str | None) -> dt.time | None:
    """The time of day that is typed, None for anything else."""
    try:
        return dt.datetime.strptime((text or "").strip(), "%H:%M").time()
    except ValueError:
        return None


def facts() -> list[tuple[str, str]]:
    """Where mails go, and what keeps them from going."""
    found = [(_("E-mail"), g.user.email or _("none"))]
    if not current_app.config["SETTINGS"].smtp_url:
        missing = _("Not set up yet: no mail is sent until an administrator configures a mail server.")
        found.append((_("Mail server"), missing))
    return found
