"""The screens of leads and branches, and the API of leads."""

from __future__ import annotations

from typing import Any

from flask import flash, url_for
from flask_appbuilder.actions import action
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired, Length, Optional

from app import labels
from app.access import keys
from app.console import formats, forms
from app.console.access import may, me
from app.console.data import ConsoleInterface
from app.console.forms import CODE, select
from app.console.table import Link
from app.console.view import ConsoleView
from app.errors import FieldError
from app.extensions import db
from app.leads import branches, record, suppression
from app.lib.clock import today
from app.lib.settings import current_settings
from app.models import Branch, Lead
from app.rules import lead_filter
from app.screens.api.views import RowsApi
from app.screens.leads import disturb, phone, segment_labels, suppression_page
from app.screens.leads import page as lead_page
from app.screens.leads.bulk import ChangesWholeList
from app.screens.leads.classify import ClassifiesLeads
from app.screens.leads.special_filters import LEAD_FILTERS
from app.screens.privacy.views import ExportsList, RevealsPhones
from app.screens.timeline import views as timeline


class LeadView(
    timeline.ShowsTimeline, RevealsPhones, ExportsList, ChangesWholeList, ClassifiesLeads, ConsoleView
):
    """线索管理: the bank's existing customers."""

    model = Lead
    export_kind = "leads"
    computed = {
        "name": disturb.named,
        "phone": phone.phone_of_lead,
        "suppressed_by": suppression_page.of_lead,
        "value": lead_page.value,
    }
    about = lazy_gettext("The existing customers on the lists that the bank imported.")
    empty_hint = lazy_gettext("No lead yet. Import a lead list, or add one by hand.")
    list_title = lazy_gettext("Leads")
    show_title = lazy_gettext("Lead")
    add_title = lazy_gettext("Add lead")
    edit_title = lazy_gettext("Edit lead")
    base_order = ("created_at", "desc")
    paging_limit = 10_000
    list_columns = ["lead_no", "name", "phone_masked", "source", "status", "tags", "branch", "created_at"]
    column_terms = {"source": "source"}
    more_columns = ("opted_out", "batch", "updated_at")
    column_rights = {"batch": ("can_list", "ImportBatchView")}
    order_columns = ["lead_no", "name", "source", "status", "created_at"]
    search_columns = [
        "name",
        "phone_index",
        "source",
        "status",
        "lead_no",
        "branch",
        "tag",
        "segment",
        "grade",
        "opted_out",
        "created_at",
        "matrix",
        "bought",
    ]
    special_filters = LEAD_FILTERS
    search_form_extra_fields = {name: StringField() for name in LEAD_FILTERS}
    filter_choices = {"status": labels.LEAD_STATUS}
    show_columns = [
        "lead_no",
        "name",
        "phone",
        "source",
        "status",
        "tags",
        "value",
        "opted_out",
        "suppressed_by",
        "branch",
        "batch",
        "created_at",
        "updated_at",
    ]
    add_columns = ["name", "phone", "id_number", "source", "branch", "status"]
    edit_fieldsets = [
        (lazy_gettext("Lead"), {"fields": ["name", "new_phone", "source", "branch", "status", "tags"]}),
        (lazy_gettext("Do not disturb"), {"fields": ["do_not_disturb", "do_not_disturb_reason"]}),
    ]
    label_columns = {
        "lead_no": lazy_gettext("Lead no."),
        "name": lazy_gettext("Customer name"),
        "phone": lazy_gettext("Phone"),
        "phone_masked": lazy_gettext("Phone"),
        "phone_index": lazy_gettext("Phone (full number)"),
        "source": lazy_gettext("Source channel"),
        "status": lazy_gettext("Status"),
        "branch": lazy_gettext("Branch"),
        "batch": lazy_gettext("Import batch"),
        "opted_out": lazy_gettext("Do not disturb"),
        "suppressed_by": lazy_gettext("Reasons for do-not-disturb"),
        "tags": lazy_gettext("Tags"),
        "tag": lazy_gettext("Tag"),
        "segment": lazy_gettext("Segment"),
        "grade": lazy_gettext("Best grade"),
        "matrix": lazy_gettext("Matrix"),
        "bought": lazy_gettext("RFM group"),
        "value": lazy_gettext("Value of twelve months"),
        "created_at": lazy_gettext("Created"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "source": lazy_gettext("Where the customer came from, such as a booking on the website or an event."),
    }
    formatters_columns = {
        "lead_no": formats.code,
        "phone_masked": formats.code,
        "status": formats.tag(labels.LEAD_STATUS, "lead"),
        "opted_out": labels.yes_no,
        "tags": segment_labels.tag_chips,
        "created_at": formats.when,
        "updated_at": formats.when,
    }
    add_form_extra_fields = {
        "phone": StringField(
            lazy_gettext("Phone"), validators=[DataRequired(), Length(max=40)], widget=BS3TextFieldWidget()
        ),
        "id_number": StringField(
            lazy_gettext("ID number"),
            description=lazy_gettext("Only its keyed hash is stored, never the number itself."),
            validators=[DataRequired(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    edit_form_extra_fields = {
        "new_phone": StringField(
            lazy_gettext("New phone"),
            description=lazy_gettext("Leave empty to keep the current number."),
            validators=[Optional(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "tags": forms.tags(),
        "do_not_disturb": BooleanField(
            lazy_gettext("Do not disturb"),
            description=lazy_gettext("A customer on the do-not-disturb list is never contacted."),
        ),
        "do_not_disturb_reason": StringField(
            lazy_gettext("Reason for the change"),
            description=lazy_gettext(
                "Required only when you change do-not-disturb; it is kept with the list entry."
            ),
            validators=[Optional(), Length(max=255)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    validators_columns = {"name": [DataRequired()]}

    def list_links(self) -> list[Link]:
        """Return the links to import, change and export leads."""
        return [
            *(
                [Link(_("Import leads"), url_for("ImportBatchView.upload"))]
                if may("can_upload", "ImportBatchView")
                else []
            ),
            *self.bulk_links(),
            *self.export_links(),
        ]

    def show_links(self, item: Any) -> list[Link]:
        """Return the link to the customer's time line."""
        return timeline.links(item)

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the lead: identity as a hash, phone encrypted, do-not-disturb mark up to date.

        Raises FieldError for values that can't be stored.
        """
        settings = current_settings()
        suppression.lock_list(db.session)
        if lost := record.set_texts(item):
            flash(
                _("These characters can't be stored and were left out: %(lost)s", lost=", ".join(lost)),
                "warning",
            )
        if created:
            # Identity last: an error in another field must not reveal whether the person is on the list.
            record.set_phone(item, form.phone.data, settings)
            record.set_identity(item, form.id_number.data, settings, me())
            db.session.add(item)
        elif form.new_phone.data:
            try:
                record.set_phone(item, form.new_phone.data, settings)
            except FieldError as error:
                raise FieldError("new_phone", error.message, **error.values) from None
        suppression.refresh_lead(db.session, item, today())
        if not created:
            self.update_do_not_disturb(item, form)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Tick the box when the lead is on the do-not-disturb list."""
        form.do_not_disturb.data = self._row(pk).opted_out

    def remove(self, item: Any) -> None:
        """Mark the lead as deleted; retention purges it later."""
        record.soft_delete(item)

    @action("delete_many", lazy_gettext("Delete"), lazy_gettext("Delete the selected leads?"), single=False)
    def delete_many(self, items: list[Lead]) -> Any:
        """Delete the ticked leads."""
        count = self.each(items, record.soft_delete)
        flash(_("%(n)s leads deleted.", n=count), "success")
        return self.back()


def _tree_name(branch: Branch) -> Markup:
    """Return the name, indented by the branch's depth in the tree; narrow screens leave out the mark."""
    depth = branches.depth(branch)
    mark = "\u3000" * depth + "└ " if depth else ""
    return Markup('<span class="tree-mark">{}</span>{}').format(mark, branch.name)


class BranchView(ConsoleView):
    """The branch tree that row scope is based on."""

    model = Branch
    computed = {"tree_name": _tree_name}
    about = lazy_gettext("The branches of the bank as a tree; they decide which customers a person sees.")
    empty_hint = lazy_gettext("No branches yet. Add the head office first, then the branches below it.")
    list_title = lazy_gettext("Branches")
    show_title = lazy_gettext("Branch")
    add_title = lazy_gettext("Add branch")
    edit_title = lazy_gettext("Edit branch")
    base_order = ("path", "asc")
    list_columns = ["tree_name", "code", "parent"]
    order_columns = ["code"]
    search_columns = ["name", "code", "parent"]
    show_columns = ["code", "name", "parent"]
    add_columns = ["code", "name", "parent"]
    edit_columns = ["code", "name", "parent"]
    label_columns = {
        "tree_name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "parent": lazy_gettext("Belongs to"),
    }
    formatters_columns = {"code": formats.code}
    validators_columns = {"code": [DataRequired(), CODE], "name": [DataRequired()]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the branch and the paths of its sub-tree. Raises DomainError when a rule forbids it."""
        lead_filter.check_change(item)
        if created:
            db.session.add(item)
        limited = keys.limited_systems()
        branches.update_path(item)
        keys.check_limited(limited)

    def remove(self, item: Any) -> None:
        """Delete the branch. Raises DomainError when a rule or an API key uses it."""
        lead_filter.check_removal(item)
        limited = keys.limited_systems()
        db.session.delete(item)
        db.session.flush()
        keys.check_limited(limited)


class LeadApi(RowsApi):
    """The API of leads for the bank's systems; phones are masked."""

    resource_name = "leads"
    datamodel = ConsoleInterface(Lead, db.session)
    list_columns = ["id", "lead_no", "name", "phone_masked", "source", "status", "branch.code", "created_at"]
    show_columns = list_columns
    search_columns = ["lead_no", "status", "source", "created_at"]
    order_columns = ["id", "created_at"]
