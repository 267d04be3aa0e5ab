"""The screen of the definitions of facts."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from wtforms import BooleanField, IntegerField
from wtforms.validators import DataRequired, Length, NumberRange

from app import labels
from app.console import formats
from app.console.access import me
from app.console.forms import CODE, LinesField, select
from app.console.second_person import REASON, AsksForReason
from app.console.view import ConsoleView
from app.extensions import db
from app.facts import catalogue
from app.facts.approval import FACTS
from app.facts.definition import DEFAULT_KEEP_DAYS, FactDef, checked_def
from app.models import FactDefinition


class FactView(AsksForReason, ConsoleView):
    """客户事实: what can be stated about leads."""

    model = FactDefinition
    list_title = lazy_gettext("Facts")
    show_title = lazy_gettext("Fact")
    add_title = lazy_gettext("New fact")
    edit_title = lazy_gettext("Edit fact")
    empty_hint = lazy_gettext(
        "No facts yet. Define what the bank knows about its customers, such as assets or a due date, "
        "then import the values."
    )
    base_order = ("code", "asc")
    list_columns = ["code", "name", "kind", "unit", "purpose", "sensitive", "keep_days", "updated_at"]
    order_columns = ["code", "name", "updated_at"]
    search_columns = ["code", "name", "kind", "purpose", "sensitive"]
    filter_choices = {"kind": labels.FACT_KIND, "purpose": labels.PURPOSE}
    show_columns = [
        *("code", "name", "name_en", "kind", "unit", "choices", "purpose", "sensitive", "keep_days"),
        *("updated_by", "updated_at"),
    ]
    add_columns = [
        *("code", "name", "name_en", "kind", "unit", "choices", "purpose", "sensitive", "keep_days")
    ]
    edit_columns = ["name", "name_en", "unit", "choices", "purpose", "sensitive", "keep_days", "reason"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Chinese name"),
        "name_en": lazy_gettext("English name"),
        "kind": lazy_gettext("Kind"),
        "unit": lazy_gettext("Unit"),
        "choices": lazy_gettext("Choices"),
        "purpose": lazy_gettext("Purpose"),
        "sensitive": lazy_gettext("Sensitive"),
        "keep_days": lazy_gettext("Days kept"),
        "updated_by": lazy_gettext("Changed by"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "code": lazy_gettext("A column of a file is recognised by the code or a name of the fact."),
        "name": lazy_gettext("A column of a file is recognised by the code or a name of the fact."),
    }
    formatters_columns = {
        "code": formats.code,
        "kind": formats.label(labels.FACT_KIND),
        "purpose": formats.label(labels.PURPOSE),
        "sensitive": labels.yes_no,
        "choices": labels.joined,
        "updated_at": formats.when,
    }
    validators_columns = {
        "code": [DataRequired(), Length(max=64), CODE],
        "name": [DataRequired(), Length(max=128)],
        "name_en": [Length(max=128)],
        "unit": [Length(max=16)],
    }
    _fields = {
        "sensitive": BooleanField(
            lazy_gettext("Sensitive"),
            description=lazy_gettext("Values of a sensitive fact need special protection by law."),
        ),
        "choices": LinesField(lazy_gettext("Choices"), description=lazy_gettext("One in each line.")),
        "purpose": select(lazy_gettext("Purpose"), labels.PURPOSE),
        "keep_days": IntegerField(
            lazy_gettext("Days kept"),
            default=DEFAULT_KEEP_DAYS,
            description=lazy_gettext("Older values are not used any more."),
            validators=[DataRequired(), NumberRange(1, 36500)],
        ),
    }
    edit_form_extra_fields = _fields | {"reason": REASON}
    add_form_extra_fields = _fields | {
        "kind": select(
            lazy_gettext("Kind"),
            labels.FACT_KIND,
            description=lazy_gettext("It can't be changed later."),
        )
    }

    def heading(self, item: Any) -> str:
        """Return the name of the fact."""
        return str(item.name)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the definition; a change that affects rules in force waits for approval.

        Raises FieldError when its parts don't fit together or a reason is missing.
        """
        values = {name: getattr(item, name) for name in FactDef.model_fields}
        new = checked_def({**values, "choices": form.choices.data or []})
        catalogue.check_new(new)
        item.updated_by = me()
        if created:
            db.session.add(item)
        else:
            self.ask_or_keep(FACTS, item, new, form.reason.data)

    def remove(self, item: Any) -> None:
        """Delete the definition. Raises DomainError while a rule or segment uses it."""
        catalogue.delete(item)
