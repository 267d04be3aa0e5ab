"""The screen of the definitions of facts, and the upload of a file of values."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import BooleanField, DateField, IntegerField
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from app import labels
from app.console import formats
from app.console.access import may, me
from app.console.forms import CODE, LinesField, select
from app.console.second_person import REASON, AsksForReason
from app.console.table import Link
from app.console.view import ConsoleView
from app.extensions import db
from app.facts import catalogue, upload
from app.facts.approval import FACTS
from app.facts.definition import DEFAULT_KEEP_DAYS, MAX_ROUND_TO, PERSON_HEADERS, FactDef, checked_def
from app.models import FactDefinition
from app.screens.leads.uploading import FileForm, FileGuide, TakesFiles
from app.segments.sentence import name_of


class FactFileForm(FileForm):
    """The form to upload a file of facts."""

    as_of = DateField(
        lazy_gettext("True on"),
        description=lazy_gettext("The date of rows that have none; by default yesterday."),
        validators=[Optional()],
    )
    backfill = BooleanField(
        lazy_gettext("Backfill"),
        description=lazy_gettext(
            "The bank knew these values on their dates already, not only since the import. The batch keeps "
            "this note."
        ),
    )


class FactView(TakesFiles, AsksForReason, ConsoleView):
    """客户事实: what can be stated about leads."""

    model = FactDefinition
    file_kind = upload.FACTS
    file_form = FactFileForm
    file_guide = FileGuide(
        lazy_gettext("How a file of facts is read"),
        (
            lazy_gettext(
                "Each row needs a person (lead number, ID number or its hash) and has a column for "
                "each fact, headed by its code or name. Empty cells are ignored."
            ),
            lazy_gettext(
                "A value holds from its date on. It counts as known from the day before its import, a "
                "backfilled one from its own date."
            ),
            lazy_gettext(
                "Before anything is written, you see how many values are new, unchanged or rejected, "
                "and why. A whole import can be undone."
            ),
        ),
    )
    template_name = "facts-template"
    base_permissions = [
        *("can_list", "can_show", "can_add", "can_edit", "can_delete"),
        *("can_upload", "can_template"),
    ]
    list_title = lazy_gettext("Facts")
    show_title = lazy_gettext("Fact")
    add_title = lazy_gettext("New fact")
    edit_title = lazy_gettext("Edit fact")
    about = lazy_gettext("What may be stated about customers: name, kind, purpose and days kept.")
    empty_hint = lazy_gettext(
        "No facts yet. Define what the bank knows about its customers, such as assets or a due date, "
        "then import the values."
    )
    # Only amounts of money are rounded.
    computed = {"rounding": lambda fact: fact.round_to if fact.kind == "money" else ""}
    base_order = ("code", "asc")
    list_columns = ["code", "name", "kind", "unit", "purpose", "sensitive", "keep_days", "updated_at"]
    column_terms = {"purpose": "purpose", "keep_days": "keep_days"}
    units = {"keep_days": lazy_gettext("days")}
    order_columns = ["code", "name", "updated_at"]
    search_columns = ["code", "name", "kind", "purpose", "sensitive"]
    filter_choices = {"kind": labels.FACT_KIND, "purpose": labels.PURPOSE}
    show_columns = [
        *("code", "name", "name_en", "kind", "unit", "choices", "purpose", "sensitive", "keep_days"),
        *("rounding", "updated_by", "updated_at"),
    ]
    add_columns = [
        *("code", "name", "name_en", "kind", "unit", "choices", "purpose", "sensitive", "keep_days"),
        "round_to",
    ]
    edit_columns = [
        *("name", "name_en", "unit", "choices", "purpose", "sensitive", "keep_days", "round_to", "reason")
    ]
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
        **dict.fromkeys(("round_to", "rounding"), lazy_gettext("Rounded in texts to")),
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
        "round_to": IntegerField(
            lazy_gettext("Rounded in texts to"),
            default=1,
            description=lazy_gettext(
                "Texts to customers round an amount of money to multiples of this; other kinds have 1."
            ),
            validators=[DataRequired(), NumberRange(1, MAX_ROUND_TO)],
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
        """Return the name of the fact in the language of the reader."""
        return name_of(item)

    def list_links(self) -> list[Link]:
        """Return the link to import a file of values."""
        return [Link(_("Import facts"), url_for(".upload"))] if may("can_upload", "FactView") else []

    def file_options(self, form: Any) -> dict[str, Any]:
        """Return the date of rows without one, and whether the file is a backfill."""
        return upload.options_of(form.as_of.data, backfill=form.backfill.data)

    def template_header(self) -> list[str]:
        """Return the headers of a person and of the facts that are defined."""
        person = [PERSON_HEADERS[name][0] for name in ("lead_no", "as_of")]
        return [*person, *(fact.name for fact in catalogue.definitions().values())]

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
