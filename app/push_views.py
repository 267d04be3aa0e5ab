"""The screens of push frequency: holidays."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, url_for
from flask_appbuilder import expose, has_access
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField
from wtforms.validators import DataRequired, Length

from app import labels
from app.console import ConsoleView
from app.errors import DomainError, FieldError
from app.models import Holiday
from app.pages import files, forms, holidays
from app.pages.access import may, me
from app.pages.forms import select
from app.pages.lists import Link
from app.pages.widgets import ConsoleFormWidget, NoteWidget
from app.push.calendar import current
from app.push.holidays import FIRST_YEAR, LAST_YEAR, TEMPLATE
from app.push.words import DAY_KIND


class HolidayView(ConsoleView):
    """节假日: what the bank itself says about dates; beats the published calendar."""

    model = Holiday
    computed = {"kind_tag": holidays.kind, "weekday": holidays.day_of_week}
    base_permissions = ["can_list", "can_add", "can_edit", "can_delete", "can_upload", "can_template"]
    list_title = lazy_gettext("Holidays")
    add_title = lazy_gettext("Add holiday")
    edit_title = lazy_gettext("Edit holiday")
    empty_hint = lazy_gettext(
        "No date of our own yet. Published public holidays and make-up working days are known without; "
        "enter here what differs, and years that are not published yet."
    )
    base_order = ("date", "desc")
    list_columns = ["date", "weekday", "kind_tag", "name", "source", "updated_by", "updated_at"]
    order_columns = ["date", "name", "updated_at"]
    search_columns = ["date", "kind", "name"]
    filter_choices = {"kind": DAY_KIND}
    add_columns = edit_columns = ["date", "kind", "name", "source"]
    label_columns = {
        "date": lazy_gettext("Date"),
        "weekday": lazy_gettext("Weekday"),
        "kind": lazy_gettext("Kind"),
        "kind_tag": lazy_gettext("Kind"),
        "name": lazy_gettext("Name"),
        "source": lazy_gettext("Source"),
        "updated_by": lazy_gettext("Changed by"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {"source": lazy_gettext("Such as the notice of the State Council.")}
    formatters_columns = {"updated_at": labels.when}
    add_form_extra_fields = {
        "date": DateField(lazy_gettext("Date"), validators=[DataRequired()]),
        "kind": select(lazy_gettext("Kind"), DAY_KIND),
    }
    edit_form_extra_fields = add_form_extra_fields
    validators_columns = {"name": [DataRequired(), Length(max=64)], "source": [Length(max=255)]}

    def heading(self, item: Any) -> str:
        """Date and name."""
        return str(item)

    def check(self, form: Any, item: Any | None) -> None:
        """A year that can't be meant is a slip of the finger."""
        if not FIRST_YEAR <= form.date.data.year <= LAST_YEAR:
            raise FieldError(
                "date", "The year must lie between %(first)s and %(last)s.", first=FIRST_YEAR, last=LAST_YEAR
            )

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Who changed it last stays with it."""
        item.updated_by = me()
        super().save(item, form, created=created)

    def list_links(self) -> list[Link]:
        """Import a year."""
        return [Link(_("Import a file"), url_for(".upload"))] if may("can_upload", "HolidayView") else []

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super()._get_list_widget(*args, **kwargs)
        said = holidays.warning(current())
        return found | {"above": [NoteWidget(text=said)]} if said else found

    @expose("/upload", methods=["GET", "POST"])
    @has_access
    def upload(self) -> Any:
        """Import the dates of a year from a file."""
        form = forms.HolidayFileForm()
        if form.validate_on_submit():
            try:
                new, changed, same = holidays.take_file(form.file.data, me())
            except DomainError as error:
                form.file.errors = [*form.file.errors, *error.text().split("\n")]
            else:
                flash(
                    _("%(new)s dates added, %(changed)s changed, %(same)s as before.",
                      new=new, changed=changed, same=same),
                    "success",
                )  # fmt: skip
                return redirect(self._list_url())
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Import"))
        return self.render_template("holiday_upload.html", widget=widget, title=_("Import holidays"))

    @expose("/template", methods=["GET"])
    @has_access
    def template(self) -> Any:
        """Download a file with the headers the import knows and two examples."""
        return files.csv_download(TEMPLATE, "holiday-template")
