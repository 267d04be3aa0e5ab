"""Forms of outreach: start, confirmation, template text and rules."""

from __future__ import annotations

from typing import Any

from flask_appbuilder.fieldwidgets import (
    BS3TextAreaFieldWidget,
    BS3TextFieldWidget,
    Select2ManyWidget,
    Select2Widget,
)
from flask_appbuilder.forms import DynamicForm
from flask_babel import lazy_gettext
from wtforms import (
    BooleanField,
    FloatField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app import labels
from app.errors import FieldError
from app.facts import catalogue
from app.models import OutreachTemplateVersion
from app.outreach import templates
from app.outreach.batches import Campaign, proposed_name
from app.outreach.settings import LABELS
from app.outreach.variants import SecondText
from app.screens.outreach.start_field import StartField
from app.screens.outreach.words import word

GRADES = [(grade, grade) for grade in "ABCD"]


class StartForm(DynamicForm):  # type: ignore[misc]
    """The template of a batch, or the two to compare, its campaign name, and when it starts."""

    template = SelectField(validate_choice=False, widget=Select2Widget())
    template_b = SelectField(validate_choice=False, widget=Select2Widget())
    share_b = IntegerField(default=50, validators=[Optional(), NumberRange(1, 99)])
    name = StringField(
        lazy_gettext("Campaign name"),
        description=lazy_gettext("The name of the batch in lists, approvals, exports and the effect page."),
        validators=[DataRequired(), Length(max=80)],
        widget=BS3TextFieldWidget(),
    )
    start = StartField(lazy_gettext("Starts"))

    def for_channel(self, channel: str, *, one: bool) -> StartForm:
        """Fill in templates and words of a channel, for ``one`` customer without what concerns many.

        Return the form.
        """
        usable = [each for each in templates.usable(channel) if each.versions]
        choices = [(str(each.id), each.name) for each in usable]
        self.template.choices = choices
        self.template_b.choices = [("", word(channel, "same")), *choices]
        self.template.label.text = word(channel, "template")
        self.template_b.label.text = word(channel, "second")
        self.template_b.description = word(channel, "second_help")
        self.share_b.label.text = word(channel, "share")
        self.share_b.description = word(channel, "share_help")
        #: the proposed name of a batch by template
        self.names = {} if one else {each.id: proposed_name(each.versions[0]) for each in usable}
        if not self.name.raw_data and self.names:
            self.name.data = self.names[usable[0].id]
        if one:
            del self.name
        if one or len(choices) < 2:
            del self.template_b, self.share_b
        return self

    def campaign(self) -> Campaign:
        """Return the name and the start."""
        return Campaign(self.name.data or "" if self.name else "", self.start.data)

    def selected_versions(self, channel: str) -> tuple[OutreachTemplateVersion, SecondText | None]:
        """Return the chosen template version, and the second one if any. Raises FieldError when invalid."""
        first = templates.newest(self.template.data, channel)
        if "template_b" not in self or not self.template_b.data:
            return first, None
        second = templates.newest(self.template_b.data, channel, "template_b")
        if second.template_id == first.template_id:
            raise FieldError("template_b", "Choose a different template from the first.")
        if self.share_b.data is None:
            raise FieldError("share_b", "Enter the percentage that gets the second template.")
        return first, SecondText(second, self.share_b.data)


class ConfirmForm(DynamicForm):  # type: ignore[misc]
    """When the batch starts, and the reason that a second person reads."""

    start = StartField(lazy_gettext("Starts"))
    reason = StringField(
        lazy_gettext("Purpose of the batch"),
        validators=[DataRequired(), Length(max=255)],
        widget=BS3TextFieldWidget(),
    )


class TextField(TextAreaField):
    """A text with variables, which are offered as buttons."""

    @property
    def inserts(self) -> list[tuple[str, str]]:
        """The variables as they are typed, and what they stand for."""
        known = templates.variables(catalogue.definitions().values())
        return [(f"{{{name}}}", str(said)) for name, said in known.items()]


def body_field() -> TextAreaField:
    """Return the field for the text of a template."""
    return TextField(
        lazy_gettext("Text"),
        description=lazy_gettext(
            "A customer of whom a fact is not known gets no message. The opt-out sentence is added to every"
            " SMS."
        ),
        validators=[DataRequired(), Length(max=2000)],
        widget=BS3TextAreaFieldWidget(),
    )


def _number(name: str, low: int, high: int) -> IntegerField:
    return IntegerField(LABELS[name], validators=[InputRequired(), NumberRange(low, high)])


def _cap(name: str) -> IntegerField:
    return IntegerField(
        LABELS[name],
        description=lazy_gettext("Leave empty for no limit."),
        validators=[Optional(), NumberRange(1, 100)],
    )


def _time(name: str) -> StringField:
    return StringField(
        LABELS[name],
        description=lazy_gettext("For example 09:00. Use 24:00 for the end of the day."),
        validators=[DataRequired(), Length(max=5)],
        widget=BS3TextFieldWidget(),
    )


def _multi_select(name: str, choices: Any) -> SelectMultipleField:
    return SelectMultipleField(LABELS[name], choices=choices, widget=Select2ManyWidget())


def _cost(name: str) -> FloatField:
    return FloatField(
        LABELS[name],
        description=lazy_gettext(
            "Applies to contacts made from then on; the cost of earlier contacts stays as it is."
        ),
        validators=[InputRequired(), NumberRange(0, 1000)],
    )


class SettingForm(DynamicForm):  # type: ignore[misc]
    """All outreach rules, and the reason for changing them."""

    sms_cap = _cap("sms_cap")
    sms_days = _number("sms_days", 1, 366)
    call_cap = _cap("call_cap")
    call_days = _number("call_days", 1, 366)
    total_cap = _cap("total_cap")
    total_days = _number("total_days", 1, 366)
    open_from = _time("open_from")
    open_to = _time("open_to")
    skip_holidays = BooleanField(LABELS["skip_holidays"])
    wait_days = _number("wait_days", 0, 15)
    excluded_grades = _multi_select("excluded_grades", GRADES)
    excluded_hit_statuses = _multi_select(
        "excluded_hit_statuses",
        lambda: [(code, word) for code, word in labels.choices(labels.HIT_STATUS) if code != "converted"],
    )
    excluded_lead_statuses = _multi_select(
        "excluded_lead_statuses", lambda: labels.choices(labels.LEAD_STATUS)
    )
    control_percent = FloatField(
        LABELS["control_percent"],
        description=lazy_gettext(
            "A stable share of all customers that marketing leaves alone for a calendar year, at most 20%; it"
            " measures what the whole platform causes. 0: no such group."
        ),
        validators=[Optional(), NumberRange(0, 20)],
    )
    conversion_days = IntegerField(
        LABELS["conversion_days"],
        description=lazy_gettext(
            "A hit converts when its customer buys from the hit date to so many days later. After a change"
            " all hits are counted again in the background."
        ),
        validators=[InputRequired(), NumberRange(0, 366)],
    )
    approval_above = _number("approval_above", 0, 1_000_000)
    opt_out_sentence = StringField(
        LABELS["opt_out_sentence"], validators=[Optional(), Length(max=60)], widget=BS3TextFieldWidget()
    )
    cost_sms = _cost("cost_sms")
    cost_call = _cost("cost_call")
    reason = StringField(
        lazy_gettext("Reason for the change"),
        validators=[DataRequired(), Length(max=255)],
        widget=BS3TextFieldWidget(),
    )

    def groups(self) -> list[tuple[Any, list[Any]]]:
        """Return the fields in groups, as the form widget draws them."""
        groups = [*RULE_GROUPS, (lazy_gettext("Approval"), ["reason"])]
        return [(title, [self[name] for name in names]) for title, names in groups]

    def values(self) -> dict[str, Any]:
        """Return the typed values, for ``settings.checked``."""
        typed = {name: self[name].data for name in LABELS}
        return typed | {
            "opt_out_sentence": (self.opt_out_sentence.data or "").strip(),
            "control_percent": self.control_percent.data or 0.0,
            **{name: list(typed[name] or []) for name in LABELS if name.startswith("excluded_")},
        }


#: groups of rules on forms and pages
RULE_GROUPS = [
    (
        lazy_gettext("Frequency caps"),
        ["sms_cap", "sms_days", "call_cap", "call_days", "total_cap", "total_days"],
    ),
    (lazy_gettext("Contact hours"), ["open_from", "open_to", "skip_holidays", "wait_days"]),
    (
        lazy_gettext("Who is not contacted"),
        ["excluded_grades", "excluded_hit_statuses", "excluded_lead_statuses"],
    ),
    (lazy_gettext("Effect"), ["control_percent", "conversion_days"]),
    (
        lazy_gettext("Batches, text and cost"),
        ["approval_above", "opt_out_sentence", "cost_sms", "cost_call"],
    ),
]
UNITS = {
    **dict.fromkeys(("share_b", "control_percent"), "%"),
    **dict.fromkeys(("sms_cap", "call_cap", "total_cap"), lazy_gettext("times")),
    **dict.fromkeys(
        ("sms_days", "call_days", "total_days", "wait_days", "conversion_days"), lazy_gettext("days")
    ),
    "approval_above": lazy_gettext("contacts"),
    **dict.fromkeys(("cost_sms", "cost_call"), lazy_gettext("yuan")),
}
