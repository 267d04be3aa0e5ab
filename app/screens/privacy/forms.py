"""Forms of exports and erasure."""

from __future__ import annotations

from flask import g
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import lazy_gettext
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from app import labels
from app.console.forms import multi_select
from app.exports import fact_columns
from app.leads.reasons import MAX_REASON
from app.segments.sentence import name_of


class ExportForm(DynamicForm):  # type: ignore[misc]
    """The format of an export, and the facts that it has columns for."""

    format = SelectField(
        lazy_gettext("Format"), choices=lambda: labels.choices(labels.EXPORT_FORMAT), widget=Select2Widget()
    )
    facts = multi_select(
        lazy_gettext("Facts"),
        lambda: [(fact.code, name_of(fact)) for fact in fact_columns.allowed(g.user)],
        lazy_gettext("One more column for each, with the values known today."),
    )


class AskedExportForm(ExportForm):
    """An export that a second person approves, and its reason."""

    reason = TextAreaField(
        lazy_gettext("Reason given"),
        description=lazy_gettext("A second person decides and reads this reason."),
        validators=[DataRequired(), Length(max=500)],
    )


class EraseForm(DynamicForm):  # type: ignore[misc]
    """The confirmation of erasing a customer."""

    lead_no = StringField(
        lazy_gettext("Enter the lead no. again"),
        description=lazy_gettext(
            "The lead, its hits and the records of who viewed its phone number are deleted at "
            "once and permanently."
        ),
        validators=[DataRequired(), Length(max=32)],
        widget=BS3TextFieldWidget(),
    )
    reason = TextAreaField(lazy_gettext("Reason given"), validators=[DataRequired(), Length(max=MAX_REASON)])
    suppress = BooleanField(
        lazy_gettext("Keep the person on the do-not-disturb list"),
        description=lazy_gettext(
            "Only a keyed hash of the ID number is kept. Without it, this person could be "
            "contacted again after a later import."
        ),
        default=True,
    )
