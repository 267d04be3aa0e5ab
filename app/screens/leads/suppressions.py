"""The screen of the do-not-disturb list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField, StringField
from wtforms.validators import DataRequired, Length, Optional

from app.console import formats, forms
from app.console.access import may, me
from app.console.table import Link
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError
from app.extensions import db
from app.leads import number_limit, removal, suppression
from app.leads.kinds import SUPPRESSIONS
from app.leads.reasons import mask_numbers
from app.leads.suppression_file import TEMPLATE
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import Suppression
from app.screens.leads import disturb, suppression_page
from app.screens.leads.uploading import FileForm, FileGuide, TakesFiles


class SuppressionFileForm(FileForm):
    """The form to upload a do-not-disturb file."""

    reason = StringField(
        forms.REASON,
        description=lazy_gettext("For rows without a reason."),
        validators=[DataRequired(), Length(max=255)],
    )


class SuppressionView(TakesFiles, ConsoleView):
    """免打扰: phones and people that must never be contacted."""

    model = Suppression
    file_kind = SUPPRESSIONS
    file_form = SuppressionFileForm
    file_guide = FileGuide(
        lazy_gettext("How a do-not-disturb file is read"),
        (
            lazy_gettext(
                "Use an Excel or CSV file with a phone, an ID number or both in each row. Reason and "
                "last day are optional."
            ),
            lazy_gettext(
                "Entries that are already on the list for at least as long stay unchanged. Invalid rows are "
                "rejected and counted."
            ),
            lazy_gettext("Matching leads are marked at once, including those imported later."),
        ),
    )
    template_name = "do-not-disturb-template"
    computed = {
        "state": suppression_page.state,
        "who": suppression_page.who,
        "leads": suppression_page.leads,
        "people": disturb.leads,
        "why_removed": suppression_page.why_removed,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_add",
        "can_upload",
        "can_template",
        "can_take_off",
        "remove_entry",
    ]
    list_title = lazy_gettext("Do-not-disturb list")
    show_title = lazy_gettext("Do-not-disturb entry")
    add_title = lazy_gettext("Add to the list")
    about = lazy_gettext("People whom nobody contacts through any channel.")
    empty_hint = lazy_gettext("Nobody is on the list. Add a phone or a person, or import a file.")
    list_columns = ["who", "people", "state", "reason", "expires_on", "created_by", "created_at"]
    order_columns = ["expires_on", "created_at"]
    search_columns = ["phone_index", "in_state", "reason", "created_at", "expires_on", "created_by"]
    special_filters = {"in_state": suppression_page.InState}
    search_form_extra_fields = {"in_state": StringField()}
    show_columns = [
        "who",
        "state",
        "reason",
        "expires_on",
        "leads",
        "created_by",
        "created_at",
        "removed_by",
        "removed_at",
        "why_removed",
    ]
    label_columns = {
        "who": lazy_gettext("Phone or person"),
        "state": lazy_gettext("State"),
        "in_state": lazy_gettext("State"),
        "phone_index": lazy_gettext("Phone (full number)"),
        "reason": forms.REASON,
        "expires_on": lazy_gettext("Last day"),
        "leads": lazy_gettext("Matching leads"),
        "people": lazy_gettext("Matching leads"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
        "removed_by": lazy_gettext("Removed by"),
        "removed_at": lazy_gettext("Removed"),
        "why_removed": lazy_gettext("Reason for removal"),
    }
    formatters_columns = {
        "who": formats.code,
        "reason": formats.label(suppression_page.REASON),
        "created_at": formats.when,
        "removed_at": formats.when,
    }
    add_columns = ["phone", "id_number", "reason", "expires_on"]
    add_form_extra_fields = {
        "phone": StringField(
            lazy_gettext("Phone"),
            description=lazy_gettext("Customers with this number are never contacted."),
            validators=[Optional(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "id_number": StringField(
            lazy_gettext("or ID number"),
            description=lazy_gettext("Only its keyed hash is stored, never the number itself."),
            validators=[Optional(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "expires_on": DateField(
            lazy_gettext("Last day"),
            description=lazy_gettext("Leave empty for no end date. The entry is valid through this day."),
            validators=[Optional()],
        ),
    }
    validators_columns = {"reason": [DataRequired(), Length(max=255)]}

    def heading(self, item: Any) -> str:
        """Return the masked phone or person."""
        return suppression_page.who(item)

    def list_links(self) -> list[Link]:
        """Return the link to import a file."""
        return [Link(_("Import a file"), url_for(".upload"))] if may("can_upload", "SuppressionView") else []

    def file_options(self, form: Any) -> dict[str, Any]:
        """Return the reason of rows without one."""
        return {"reason": mask_numbers(form.reason.data.strip())}

    def template_header(self) -> Sequence[str]:
        """Return the headers of a do-not-disturb file."""
        return TEMPLATE

    def offers(self, action: str, item: Any) -> bool:
        """Whether the entry is still on the list."""
        return item.removed_at is None

    def _add(self) -> Any:
        """Let the domain create the row, because the typed numbers must never be stored."""
        form = self.add_form.refresh()
        if request.method == "POST" and self._try_add(form):
            flash(_("Added to the do-not-disturb list."), "success")
            return None
        if request.method != "POST":
            self.update_redirect()
        return self._get_add_widget(form=form)

    def _try_add(self, form: Any) -> bool:
        if not form.validate():
            return False
        try:
            target = suppression.typed_target(
                (form.phone.data or "").strip(),
                (form.id_number.data or "").strip(),
                current_settings(),
            )
            number_limit.record_search(target, Suppression.__tablename__, me())
            suppression.add(
                db.session,
                target,
                reason=form.reason.data,
                expires_on=form.expires_on.data,
                user=me(),
                today=today(),
            )
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            suppression_page.add_form_error(form, error)
            if isinstance(error, number_limit.TooManyNumbers):
                flash(_("You can still import entries from a file."), "warning")
            return False
        return True

    @action("remove_entry", lazy_gettext("Take off the list"), multiple=False)
    def remove_entry(self, item: Suppression) -> Any:
        """Redirect to the form that asks for the reason."""
        return redirect(url_for("SuppressionView.take_off", pk=item.id))

    @expose("/take_off/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def take_off(self, pk: int) -> Any:
        """Request the removal of an entry, with a reason; its row is kept."""
        item, form = self._row(pk), forms.TakeOffForm()
        if form.validate_on_submit():
            try:
                approval = removal.ask(item, g.user, form.reason.data)
                db.session.commit()
            except DomainError as error:
                db.session.rollback()
                suppression_page.add_form_error(form, error)
            else:
                suppression_page.flash_removal(item, approval)
                return redirect(url_for("SuppressionView.show", pk=pk))
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Submit for approval"))
        title = _("Take %(shown)s off the do-not-disturb list", shown=item.shown)
        return self.render_template("form.html", widgets={"edit": widget}, title=title)
