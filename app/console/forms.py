"""Forms that are not generated from a table, and fields that forms share."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_appbuilder.fields import QuerySelectMultipleField
from flask_appbuilder.fieldwidgets import (
    BS3PasswordFieldWidget,
    BS3TextFieldWidget,
    Select2ManyWidget,
    Select2Widget,
)
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField, FileRequired
from werkzeug.security import check_password_hash
from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, EqualTo, Length, Optional, Regexp, ValidationError

from app import labels
from app.extensions import db
from app.leads.tags import all_tags
from app.lib.codes import new_code

REASON = lazy_gettext("Reason given")
CODE = Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    message=lazy_gettext("Use letters, digits, dots, dashes and underscores."),
)
LANGUAGES = [("zh", "中文"), ("en", "English")]


def select(label: Any, words: dict[str, Any], **kwargs: Any) -> SelectField:
    """Return a drop-down of codes with their display names."""
    return SelectField(label, choices=lambda: labels.choices(words), widget=Select2Widget(), **kwargs)


def multi_select(label: Any, choices: Any, description: Any = None) -> SelectMultipleField:
    """Return a field for several values."""
    return SelectMultipleField(label, description=description, choices=choices, widget=Select2ManyWidget())


def tags() -> QuerySelectMultipleField:
    """Return a field to tick tags."""
    return QuerySelectMultipleField(
        lazy_gettext("Tags"),
        query_func=lambda: all_tags(db.session),
        get_pk_func=lambda tag: tag.id,
        get_label=lambda tag: tag.name,
    )


def new_password(first: Any = None) -> PasswordField:
    """Return a field for a new password that explains the rules, which app/access/passwords.py checks."""
    return PasswordField(
        lazy_gettext("New password"),
        description=lazy_gettext(
            "At least 15 characters: some words that don't belong together, with spaces if you like."
        ),
        validators=[first or DataRequired()],
        widget=BS3PasswordFieldWidget(),
    )


def password_again(*, needed: bool = True) -> PasswordField:
    """Return a field that must repeat the new password."""
    return PasswordField(
        lazy_gettext("Repeat password"),
        validators=[
            *([DataRequired()] if needed else []),
            EqualTo("password", message=lazy_gettext("The passwords don't match.")),
        ],
        widget=BS3PasswordFieldWidget(),
    )


def access_reason() -> StringField:
    """Return a field for the reason of a change of access."""
    return StringField(
        lazy_gettext("Reason for the change of access"),
        description=lazy_gettext(
            "Required when roles, branch, e-mail, status or permissions change. "
            "Another administrator reviews it."
        ),
        validators=[Length(max=500)],
    )


class LinesField(TextAreaField):
    """A list of texts, typed one a line."""

    def _value(self) -> str:
        return "\n".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Split the typed text into lines, without empty ones."""
        lines = valuelist[0].splitlines() if valuelist else []
        self.data: list[str] = [line.strip() for line in lines if line.strip()]


class CodeField(StringField):
    """The code of a row; left empty, the row keeps its code or gets one that is made."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(
            lazy_gettext("Code"),
            description=lazy_gettext("The name in configuration files."),
            default=lambda: new_code(prefix),
            validators=[Optional(), Length(max=64), CODE],
            widget=BS3TextFieldWidget(),
            **kwargs,
        )

    def populate_obj(self, obj: Any, name: str) -> None:
        """Store what was typed."""
        if self.data:
            super().populate_obj(obj, name)


class ChooseForm(DynamicForm):  # type: ignore[misc]
    """A new password set through a mailed link, whose secret a script copies from the address."""

    token = HiddenField()
    password = new_password()
    conf_password = password_again()


class PasswordForm(DynamicForm):  # type: ignore[misc]
    """A new password for another user."""

    password = new_password()
    conf_password = password_again()


class MyPasswordForm(DynamicForm):  # type: ignore[misc]
    """A new password for the current user."""

    present = PasswordField(
        lazy_gettext("Current password"), validators=[DataRequired()], widget=BS3PasswordFieldWidget()
    )
    password = new_password()
    conf_password = password_again()

    def validate_present(self, field: Any) -> None:
        """Check the current password."""
        if not check_password_hash(g.user.password, field.data or ""):
            raise ValidationError(gettext("This is not your current password."))


class ProfileForm(DynamicForm):  # type: ignore[misc]
    """The settings that users may change for themselves."""

    language = SelectField(
        lazy_gettext("Language"),
        description=lazy_gettext(
            "The language of the pages from now on and of mails to you. The switch beside your name holds "
            "until you log out."
        ),
        choices=LANGUAGES,
        widget=Select2Widget(),
    )
    phone = StringField(
        lazy_gettext("My mobile number"),
        description=lazy_gettext(
            "Test SMS go to it, nothing else. It is stored encrypted. Leave it empty to keep the present one."
        ),
        validators=[Optional(), Length(max=40)],
        widget=BS3TextFieldWidget(),
    )
    no_phone = BooleanField(lazy_gettext("Delete my mobile number"))


class HolidayFileForm(DynamicForm):  # type: ignore[misc]
    """A file of holidays."""

    file = FileField(lazy_gettext("File (.xlsx, .xls or .csv)"), validators=[FileRequired()])


class TakeOffForm(DynamicForm):  # type: ignore[misc]
    """The reason for removing an entry from the do-not-disturb list."""

    reason = StringField(
        REASON,
        description=lazy_gettext("For example: the customer agreed to be contacted again."),
        validators=[DataRequired(), Length(max=255)],
    )


class SubmitForm(DynamicForm):  # type: ignore[misc]
    """The reason for requesting approval."""

    reason = StringField(
        REASON,
        description=lazy_gettext("What the approver should know."),
        validators=[DataRequired(), Length(max=500)],
    )


class ApproveForm(DynamicForm):  # type: ignore[misc]
    """The approval of a request."""

    note = StringField(lazy_gettext("Note (optional)"), validators=[Length(max=500)])


class RejectForm(DynamicForm):  # type: ignore[misc]
    """The rejection of a request."""

    note = StringField(
        lazy_gettext("Reason for the rejection"),
        description=lazy_gettext("The requester will see this."),
        validators=[DataRequired(), Length(max=500)],
    )


class WithdrawForm(DynamicForm):  # type: ignore[misc]
    """The withdrawal of a log file that was read."""

    reason = StringField(
        REASON,
        description=lazy_gettext("A second person reads it and decides."),
        validators=[DataRequired(), Length(max=500)],
    )


class ReplaceForm(DynamicForm):  # type: ignore[misc]
    """The log file that is to replace one that was read."""

    file = FileField(
        lazy_gettext("File"),
        description=lazy_gettext("Call logs as .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet."),
        validators=[FileRequired(message=lazy_gettext("Choose a file."))],
    )


class StartRunForm(DynamicForm):  # type: ignore[misc]
    """The day to run."""

    day = DateField(
        lazy_gettext("Day"),
        description=lazy_gettext("A day that is over. Running it again counts nothing twice."),
        validators=[DataRequired()],
    )
