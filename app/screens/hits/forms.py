"""Forms of the steps in the work on a hit, and of its settings."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2Widget
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import (
    BooleanField,
    DateField,
    DecimalField,
    HiddenField,
    IntegerField,
    SelectField,
    TextAreaField,
    TimeField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from app import labels
from app.extensions import db
from app.hits import results, steps, together
from app.hits.owner import MAX_NOTE
from app.hits.results import Ending
from app.lib import clock
from app.lib.row_id import row_id
from app.models import Hit, Product
from app.outreach import by_hand

NOTE = lazy_gettext("Note")


class FollowUpForm(DynamicForm):  # type: ignore[misc]
    """How a contact ended: a result or a note, and when the next one is. A result is the button pressed."""

    note = TextAreaField(
        lazy_gettext("What was discussed"),
        description=lazy_gettext("Phone and ID numbers in the text are masked."),
        validators=[Optional(), Length(max=MAX_NOTE)],
    )
    next_on = DateField(
        lazy_gettext("Next contact"),
        description=lazy_gettext("Leave it empty for the date that the result suggests."),
        validators=[Optional()],
    )
    result = HiddenField(lazy_gettext("Result"))
    call_on = DateField(lazy_gettext("Day of the agreed call"), validators=[Optional()])
    call_at = TimeField(lazy_gettext("Time of the agreed call"), validators=[Optional()])

    def ending(self) -> Ending:
        """Return how the contact ended."""
        result = results.result_of(self.result.data)
        when = (self.next_on.data, self.call_on.data, self.call_at.data)
        return Ending(result, self.note.data or "", *when)


class ConvertForm(DynamicForm):  # type: ignore[misc]
    """A conversion: product, date, amount and note."""

    product = SelectField(
        lazy_gettext("Product"),
        widget=Select2Widget(),
        validators=[DataRequired(lazy_gettext("Choose the product that the customer bought."))],
    )
    on = DateField(lazy_gettext("Converted on"), validators=[DataRequired()])
    amount = DecimalField(
        lazy_gettext("Amount"),
        description=lazy_gettext("Optional."),
        places=2,
        validators=[Optional()],
        widget=BS3TextFieldWidget(),
    )
    note = TextAreaField(NOTE, validators=[Optional(), Length(max=MAX_NOTE)])

    def offer(self, hit: Hit, *, as_customer: bool) -> None:
        """Offer the products that the hit's rule counts: the one named before, else the only one, at once.

        With ``as_customer``, also those that count for another open hit. Without any there is no field.
        """
        counted = together.products(hit) if as_customer else steps.products_of(hit)
        known = [(str(each.id), each.name) for each in counted]
        if not known:
            del self.product
            return
        only = known[0][0] if len(known) == 1 else ""
        self.product.choices = known if only else [("", _("Choose…")), *known]
        if not self.product.raw_data:
            self.product.data = str(hit.product_id or only)

    def chosen(self) -> Product | None:
        """Return the chosen product, None when there is none to choose."""
        key = row_id(self.product.data) if self.product else None
        return db.session.get(Product, key) if key else None


class CorrectForm(ConvertForm):
    """A correction of the product, date and amount of a conversion."""

    note = TextAreaField(
        lazy_gettext("Reason for the correction"), validators=[DataRequired(), Length(max=MAX_NOTE)]
    )


class CloseForm(DynamicForm):  # type: ignore[misc]
    """The reason for closing a hit."""

    reason = SelectField(
        lazy_gettext("Reason for closing"),
        choices=lambda: reasons(),
        widget=Select2Widget(),
        validators=[DataRequired()],
    )
    leave_alone = BooleanField(lazy_gettext("Also put the customer on the do-not-disturb list"), default=True)
    note = TextAreaField(NOTE, validators=[Optional(), Length(max=MAX_NOTE)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        refusals = [reason.name for reason in steps.close_reasons() if reason.refusal]
        self.leave_alone.description = _(
            "Applies only when the customer refused: %(reasons)s", reasons=labels.joined(refusals)
        )
        if not refusals:
            del self.leave_alone


class WorkSettingForm(DynamicForm):  # type: ignore[misc]
    """Settings of automatic assignment and deadlines."""

    auto_assign = BooleanField(
        lazy_gettext("Assign waiting customers automatically"),
        description=lazy_gettext(
            "Waiting customers are assigned to the marketers of their branch or, if it has none, "
            "of the nearest branch above it. The best grades go first, each to the marketer with "
            "the fewest customers."
        ),
    )
    most_open = IntegerField(
        lazy_gettext("Maximum customers per marketer"),
        description=lazy_gettext(
            "Automatic assignment stops at this number; marketers can still claim more."
        ),
        validators=[InputRequired(), NumberRange(1, 1000)],
    )
    respond_days = IntegerField(
        lazy_gettext("First contact within"),
        description=lazy_gettext(
            "Counted from the day the customer was claimed or assigned; 0 means the same day."
        ),
        validators=[InputRequired(), NumberRange(0, 30)],
    )
    overdue_days = IntegerField(
        lazy_gettext("Escalate when overdue for more than"),
        description=lazy_gettext("Escalated customers appear in the managers' work list."),
        validators=[InputRequired(), NumberRange(0, 60)],
    )


#: step of app.hits.steps → its form
FORMS: dict[str, type[Any]] = {
    "follow_up": FollowUpForm,
    "convert": ConvertForm,
    "close": CloseForm,
    "correct": CorrectForm,
}


def reasons() -> list[tuple[str, str]]:
    """Return the reasons for closing a hit as choices."""
    return [(str(reason.id), reason.name) for reason in steps.close_reasons()]


def bulk_close_reasons() -> list[tuple[str, str]]:
    """Return the reasons for closing many hits, where a refusal always means the do-not-disturb list."""
    listed = _("also on the do-not-disturb list")
    return [
        (str(reason.id), f"{reason.name} · {listed}" if reason.refusal else reason.name)
        for reason in steps.close_reasons()
    ]


def new_form(step: str, hit: Hit, *, as_customer: bool) -> Any:
    """Return a new form of a step with its default values, of a hit or of its customer."""
    form = FORMS[step](formdata=None, prefix=f"{step}-")
    if step == "follow_up":
        form.call_on.data, form.call_at.data = suggested_call()
    if step in ("convert", "correct"):
        form.offer(hit, as_customer=as_customer and step == "convert")
    if step == "convert":
        form.on.data = clock.today()
    if step == "correct":
        form.on.data = labels.local(hit.converted_at).date() if hit.converted_at else clock.today()
        form.amount.data = hit.amount
    return form


def suggested_call() -> tuple[dt.date, dt.time]:
    """Return day and time of the next full hour, at least an hour away, at which contact is allowed."""
    later = (labels.local(clock.now()) + dt.timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    moment = by_hand.next_moment(later)
    return moment.date(), moment.time()


def posted_form(step: str, hit: Hit, *, as_customer: bool) -> Any:
    """Return the posted form of a step, of a hit or of its customer."""
    form = FORMS[step](prefix=f"{step}-")
    if step in ("convert", "correct"):
        form.offer(hit, as_customer=as_customer and step == "convert")
    return form


def apply_step(step: str, hit: Hit, form: Any, user: Any, *, as_customer: bool) -> None:
    """Take a step with the values of its valid form, on the hit or on all open hits of its customer.

    Raises DomainError when the hit does not allow it.
    """
    if step == "follow_up":
        by_hand.check_agreed(form.ending())
        results.record(hit, user, form.ending())
    elif step == "convert":
        _convert(hit, form, user, as_customer=as_customer)
    elif step == "correct":
        steps.correct(hit, user, form.on.data, form.amount.data, form.note.data, form.chosen())
    else:
        _close(hit, form, user, as_customer=as_customer)


def _convert(hit: Hit, form: Any, user: Any, *, as_customer: bool) -> None:
    values = (form.on.data, form.amount.data, form.note.data or "", form.chosen())
    if as_customer:
        together.convert(hit, user, *values)
        return
    steps.begin(hit, user)
    steps.convert(hit, user, *values)


def _close(hit: Hit, form: Any, user: Any, *, as_customer: bool) -> None:
    listed = bool(form.leave_alone and form.leave_alone.data)
    reason, note = steps.reason_of(form.reason.data), form.note.data or ""
    if as_customer:
        together.close(hit.lead_id, user, reason, note, suppress=listed)
    else:
        steps.close(hit, user, reason, note, suppress=listed)
