"""Forms that are not generated from a table."""

from __future__ import annotations

from typing import Any

from flask import g
from flask_appbuilder.fields import QuerySelectMultipleField
from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_appbuilder.validators import PasswordComplexityValidator
from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField, FileRequired
from werkzeug.security import check_password_hash
from wtforms import DateField, HiddenField, PasswordField, SelectField, StringField
from wtforms.validators import DataRequired, EqualTo, Length, Regexp, ValidationError

from app import labels
from app.extensions import db
from app.leads.tags import all_tags

REASON = lazy_gettext("Reason given")
CODE = Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$", message=lazy_gettext("Letters, digits, dots, dashes, underscores.")
)
LANGUAGES = [("zh", "中文"), ("en", "English")]


def select(label: Any, words: dict[str, Any], **kwargs: Any) -> SelectField:
    """A drop-down of words for codes."""
    return SelectField(label, choices=lambda: labels.choices(words), widget=Select2Widget(), **kwargs)


def tags() -> QuerySelectMultipleField:
    """Tags to tick."""
    return QuerySelectMultipleField(
        lazy_gettext("Tags"),
        query_func=lambda: all_tags(db.session),
        get_pk_func=lambda tag: tag.id,
        get_label=lambda tag: tag.name,
    )


def new_password(first: Any = None) -> PasswordField:
    """A field for a new password, with the rules beside it; ``first`` is the validator before theirs."""
    return PasswordField(
        lazy_gettext("New password"),
        description=lazy_gettext(
            "At least 10 characters with 2 capitals, 3 small letters, 2 digits and a special character."
        ),
        validators=[first or DataRequired(), PasswordComplexityValidator()],
        widget=BS3PasswordFieldWidget(),
    )


def password_again(*, needed: bool = True) -> PasswordField:
    """A field that must repeat the new password."""
    return PasswordField(
        lazy_gettext("Password again"),
        validators=[
            *([DataRequired()] if needed else []),
            EqualTo("password", message=lazy_gettext("The passwords differ.")),
        ],
        widget=BS3PasswordFieldWidget(),
    )


def access_reason() -> StringField:
    """Why somebody's access is to change."""
    return StringField(
        lazy_gettext("Reason for the change of access"),
        description=lazy_gettext(
            "Needed when roles, branch, e-mail, enabling or permissions change; another administrator "
            "reads it."
        ),
        validators=[Length(max=500)],
    )


class ChooseForm(DynamicForm):  # type: ignore[misc]
    """A password chosen through a mailed link; a script takes the link's secret from the address."""

    token = HiddenField()
    password = new_password()
    conf_password = password_again()


class PasswordForm(DynamicForm):  # type: ignore[misc]
    """A new password for somebody."""

    password = new_password()
    conf_password = password_again()


class MyPasswordForm(DynamicForm):  # type: ignore[misc]
    """A new password for myself."""

    present = PasswordField(
        lazy_gettext("Present password"), validators=[DataRequired()], widget=BS3PasswordFieldWidget()
    )
    password = new_password()
    conf_password = password_again()

    def validate_present(self, field: Any) -> None:
        """The present password must be right."""
        if not check_password_hash(g.user.password, field.data or ""):
            raise ValidationError(gettext("This is not your present password."))

    def validate_password(self, field: Any) -> None:
        """The new password is not the present one."""
        if check_password_hash(g.user.password, field.data or ""):
            raise ValidationError(gettext("This is your present password; choose another one."))


class ProfileForm(DynamicForm):  # type: ignore[misc]
    """What a person may change about themselves."""

    language = SelectField(lazy_gettext("Language"), choices=LANGUAGES, widget=Select2Widget())


class SuppressionFileForm(DynamicForm):  # type: ignore[misc]
    """A do-not-disturb file."""

    file = FileField(lazy_gettext("File (.xlsx, .xls or .csv)"), validators=[FileRequired()])
    reason = StringField(
        REASON,
        description=lazy_gettext("For rows that give none."),
        validators=[DataRequired(), Length(max=255)],
    )


class HolidayFileForm(DynamicForm):  # type: ignore[misc]
    """A file of holidays."""

    file = FileField(lazy_gettext("File (.xlsx, .xls or .csv)"), validators=[FileRequired()])


class TakeOffForm(DynamicForm):  # type: ignore[misc]
    """Why an entry leaves the do-not-disturb list."""

    reason = StringField(
        REASON,
        description=lazy_gettext("Such as: the customer agreed to be contacted again."),
        validators=[DataRequired(), Length(max=255)],
    )


class SubmitForm(DynamicForm):  # type: ignore[misc]
    """Why somebody asks for a second person's approval."""

    reason = StringField(
        REASON,
        description=lazy_gettext("What the person who decides should know."),
        validators=[DataRequired(), Length(max=500)],
    )


class ApproveForm(DynamicForm):  # type: ignore[misc]
    """A decision for a request."""

    note = StringField(lazy_gettext("Note (optional)"), validators=[Length(max=500)])


class RejectForm(DynamicForm):  # type: ignore[misc]
    """A decision against a request."""

    note = StringField(
        lazy_gettext("Why it is rejected"),
        description=lazy_gettext("The person who asked reads this."),
        validators=[DataRequired(), Length(max=500)],
    )


class StartRunForm(DynamicForm):  # type: ignore[misc]
    """The day to run."""

    day = DateField(
        lazy_gettext("Day"),
        description=lazy_gettext("A day that is over; running it again counts nothing twice."),
        validators=[DataRequired()],
    )
