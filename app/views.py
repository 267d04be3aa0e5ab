"""Every Flask-AppBuilder view, declared. Logic is one call into a domain package."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, g, redirect, request, send_file, session, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.api import ModelRestApi
from flask_appbuilder.fields import QuerySelectMultipleField
from flask_appbuilder.fieldwidgets import BS3TextFieldWidget, Select2ManyWidget, Select2Widget
from flask_appbuilder.security.sqla.models import Role
from flask_appbuilder.security.views import UserDBModelView
from flask_appbuilder.views import IndexView, SimpleFormView
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from werkzeug.security import generate_password_hash
from wtforms import BooleanField, FloatField, SelectField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional, Regexp

from app import labels, permissions
from app.access import staff
from app.access.scope import FilterVisible
from app.console import ConsoleView
from app.errors import DomainError, FieldError
from app.extensions import db
from app.import_views import ImportsInSteps
from app.lead_views import (
    ClassifiesLeads,
    MatrixView,  # noqa: F401 - register() looks the screens up by name
    SegmentView,  # noqa: F401
    SuppressionView,  # noqa: F401
    TagView,  # noqa: F401
)
from app.leads import branches, record, suppression
from app.leads.error_file import error_file_path
from app.leads.export import export_leads
from app.leads.undo import undo_import
from app.models import (
    Branch,
    Hit,
    ImportBatch,
    IngestFile,
    Institution,
    JobRun,
    Lead,
    Rule,
    RuleCondition,
    RuleStatus,
    RuleVersion,
    RunStatus,
    Staff,
    VersionStatus,
)
from app.pages import charts, files, forms, imports, phones, role_words, segment_words, suppressions
from app.pages import runs as run_pages
from app.pages.access import may, me
from app.pages.forms import select
from app.pages.lead_filters import LEAD_FILTERS
from app.pages.lists import Link
from app.pages.widgets import ChartWidget, ConsoleFormWidget
from app.personal_views import (  # noqa: F401 - register() looks the screens up by name
    ExportJobView,
    ExportsWholeList,
    RevealsPhones,
    RevealView,
    SubjectRequestView,
)
from app.rules import catalogue, describe, hits, versions
from app.rules.definition import (
    DEFAULT_GRADE_BANDS,
    DEFAULT_HALF_LIFE_DAYS,
    DEFAULT_WEIGHTS,
    EVENT_TYPES,
)
from app.rules.recompute import recompute
from app.t1 import runs
from app.t1.runs import today
from app.tables import ConsoleInterface, PerRequestFilters

#: Form fields of a version's score: event type and grade they stand for.
WEIGHTS = {f"weight_{kind}": kind for kind in EVENT_TYPES}
BANDS = {f"band_{grade.lower()}": grade for grade in "ABC"}
CODE = Regexp(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$", message=lazy_gettext("Letters, digits, dots, dashes, underscores.")
)


class HomeView(IndexView):  # type: ignore[misc]
    """The first page: log-in when nobody is, else the first screen the person may open."""

    index_template = "home.html"

    @expose("/")
    def index(self) -> Any:
        """Send the person to work."""
        if not g.user or not g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        for views in permissions.MENU.values():
            for view in views:
                if self.appbuilder.sm.has_access("can_list", view):
                    return redirect(url_for(f"{view}.list"))
        return self.render_template(self.index_template)


class LeadView(RevealsPhones, ExportsWholeList, ClassifiesLeads, ConsoleView):
    """线索管理: the list of existing customers."""

    model = Lead
    export_kind = "leads"
    computed = {"phone": phones.phone_of_lead, "suppressed_by": suppressions.of_lead}
    empty_hint = lazy_gettext("No lead yet. Import a lead list, or add one by hand.")
    list_title = lazy_gettext("Leads")
    show_title = lazy_gettext("Lead")
    add_title = lazy_gettext("Add lead")
    edit_title = lazy_gettext("Edit lead")
    base_order = ("created_at", "desc")
    list_columns = ["lead_no", "name", "phone_masked", "source", "status", "tags", "branch", "created_at"]
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
        "phone_index": lazy_gettext("Phone (whole number)"),
        "source": lazy_gettext("Source channel"),
        "status": lazy_gettext("Status"),
        "branch": lazy_gettext("Branch"),
        "batch": lazy_gettext("Import batch"),
        "opted_out": lazy_gettext("Do not disturb"),
        "suppressed_by": lazy_gettext("On the list because"),
        "tags": lazy_gettext("Tags"),
        "tag": lazy_gettext("Tag"),
        "segment": lazy_gettext("Segment"),
        "grade": lazy_gettext("Best grade"),
        "matrix": lazy_gettext("Matrix"),
        "created_at": lazy_gettext("Created"),
        "updated_at": lazy_gettext("Changed"),
    }
    description_columns = {
        "source": lazy_gettext("Where the customer came from, such as 官网预约 or 线下活动."),
    }
    formatters_columns = {
        "lead_no": labels.code,
        "phone_masked": labels.code,
        "status": labels.tag(labels.LEAD_STATUS, "lead"),
        "opted_out": labels.yes_no,
        "tags": segment_words.tag_chips,
        "created_at": labels.when,
        "updated_at": labels.when,
    }
    add_form_extra_fields = {
        "phone": StringField(
            lazy_gettext("Phone"), validators=[DataRequired(), Length(max=40)], widget=BS3TextFieldWidget()
        ),
        "id_number": StringField(
            lazy_gettext("ID number"),
            description=lazy_gettext("Only its keyed hash is kept; the number itself is stored nowhere."),
            validators=[DataRequired(), Length(max=40)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    edit_form_extra_fields = {
        "new_phone": StringField(
            lazy_gettext("New phone"),
            description=lazy_gettext("Leave empty to keep the present number."),
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
            description=lazy_gettext("Only when the tick changes; it stays with the entry of the list."),
            validators=[Optional(), Length(max=255)],
            widget=BS3TextFieldWidget(),
        ),
        "status": select(lazy_gettext("Status"), labels.LEAD_STATUS),
    }
    validators_columns = {"name": [DataRequired()]}

    def list_links(self) -> list[Link]:
        """Import a file, export the list."""
        return [
            *(
                [Link(_("Import leads"), url_for("ImportBatchView.upload"))]
                if may("can_upload", "ImportBatchView")
                else []
            ),
            *self.export_links(),
        ]

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Keep the identity as a hash, the phone encrypted, and the do-not-disturb list true."""
        settings = current_app.config["SETTINGS"]
        suppression.hold(db.session)
        item.name = item.name.strip()
        item.source = (item.source or "").strip()
        if created:
            record.set_identity(item, form.id_number.data, settings)
            record.set_phone(item, form.phone.data, settings)
            db.session.add(item)
        elif form.new_phone.data:
            try:
                record.set_phone(item, form.new_phone.data, settings)
            except FieldError as error:
                raise FieldError("new_phone", error.message, **error.values) from None
        suppression.refresh_lead(db.session, item, today())
        if not created:
            self.follow_tick(item, form)

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show whether the list names the lead."""
        form.do_not_disturb.data = self._row(pk).opted_out

    def remove(self, item: Any) -> None:
        """Deletion is soft until retention purges."""
        record.soft_delete(item)

    @action("delete_many", lazy_gettext("Delete"), lazy_gettext("Delete the selected leads?"), single=False)
    def delete_many(self, items: list[Lead]) -> Any:
        """Delete the ticked leads."""
        count = self.each(items, record.soft_delete)
        flash(_("%(n)s leads deleted.", n=count), "success")
        return self.back()

    @action("export", lazy_gettext("Export (masked)"), single=False)
    def export(self, items: list[Lead]) -> Any:
        """Download the ticked leads, phones masked."""
        return files.csv_download(export_leads(items), "leads")


class BranchView(ConsoleView):
    """The branch tree that row scope follows."""

    model = Branch
    computed = {"tree_name": branches.tree_name}
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
        "tree_name": lazy_gettext("Branch"),
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "parent": lazy_gettext("Belongs to"),
    }
    formatters_columns = {"code": labels.code}
    validators_columns = {"code": [DataRequired(), CODE], "name": [DataRequired()]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Keep the paths of the whole sub-tree true."""
        if created:
            db.session.add(item)
        branches.place(item)


class ImportBatchView(ImportsInSteps):
    """Imports of lead files: who, when, which file, what became of the rows."""

    model = ImportBatch
    base_permissions = [
        "can_list",
        "can_show",
        "can_progress",
        "can_upload",
        "can_errors",
        "can_template",
        "cancel",
        "undo",
    ]
    computed = {"error": imports.error_text}
    list_title = lazy_gettext("Import batches")
    show_title = lazy_gettext("Import batch")
    empty_hint = lazy_gettext("No file was imported yet. Import a lead list to begin.")
    list_columns = [
        "id",
        "file_name",
        "status",
        "rows_read",
        "rows_created",
        "rows_updated",
        "rows_existing",
        "rows_rejected",
        "created_by",
        "created_at",
    ]
    order_columns = ["id", "file_name", "status", "created_at"]
    search_columns = ["file_name", "status", "created_by", "created_at"]
    filter_choices = {"status": labels.BATCH_STATUS}
    show_columns = [
        "file_name",
        "file_digest",
        "status",
        "rows_read",
        "rows_created",
        "rows_updated",
        "rows_existing",
        "rejected",
        "rows_deleted",
        "rows_kept",
        "undone_by",
        "error",
        "created_by",
        "created_at",
        "finished_at",
    ]
    label_columns = {
        "id": lazy_gettext("Batch"),
        "file_name": lazy_gettext("File"),
        "file_digest": lazy_gettext("SHA-256"),
        "status": lazy_gettext("Status"),
        "rows_read": lazy_gettext("Rows read"),
        "rows_created": lazy_gettext("New leads"),
        "rows_updated": lazy_gettext("Updated"),
        "rows_existing": lazy_gettext("Already there"),
        "rows_rejected": lazy_gettext("Rejected"),
        "rejected": lazy_gettext("Rejected by reason"),
        "rows_deleted": lazy_gettext("Deleted by undo"),
        "rows_kept": lazy_gettext("Kept by undo"),
        "undone_by": lazy_gettext("Undone by"),
        "error": lazy_gettext("Error"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Started"),
        "finished_at": lazy_gettext("Finished"),
    }
    formatters_columns = {
        "status": labels.tag(labels.BATCH_STATUS, "run"),
        "rejected": labels.counts,
        "created_at": labels.when,
        "finished_at": labels.when,
        "file_digest": labels.code,
        **dict.fromkeys([name for name in label_columns if name.startswith("rows_")], labels.number),
    }

    def list_links(self) -> list[Link]:
        """Import a file."""
        return (
            [Link(_("Import leads"), url_for(".upload"), primary=True)]
            if may("can_upload", "ImportBatchView")
            else []
        )

    @expose("/errors/<pk>", methods=["GET"])
    @has_access
    def errors(self, pk: str) -> Any:
        """Download the rejected rows with their reasons."""
        batch = self._row(pk)
        path = error_file_path(current_app.config["SETTINGS"], batch.id)
        if not batch.error_file or not path.is_file():
            abort(404, description=_("This batch has no error file."))
        return send_file(path, as_attachment=True, download_name=f"import-errors-{batch.id}.csv")

    @expose("/template", methods=["GET"])
    @has_access
    def template(self) -> Any:
        """Download an empty lead file with the headers the import knows."""
        return files.lead_template()

    @action(
        "undo",
        lazy_gettext("Undo batch"),
        lazy_gettext("Take all leads this batch created off the list? Leads with hits acted on stay."),
        multiple=False,
    )
    def undo(self, item: ImportBatch) -> Any:
        """Undo the batch."""
        changed = item.rows_updated
        result = undo_import(db.engine, item.id, me())
        if changed:
            flash(_("%(n)s leads that the batch had changed keep their new values.", n=changed), "warning")
        flash(_("%(deleted)s leads taken off the list, %(kept)s kept.", **result), "success")
        return redirect(url_for("ImportBatchView.show", pk=item.id))


class RuleConditionView(ConsoleView):
    """Conditions of a rule version; only a draft's can be changed."""

    model = RuleCondition
    computed = {"sentence": describe.condition_row_sentence}
    empty_hint = lazy_gettext("No condition yet. A version needs at least one before it can be put in force.")
    list_title = lazy_gettext("Conditions")
    show_title = lazy_gettext("Condition")
    add_title = lazy_gettext("Add condition")
    edit_title = lazy_gettext("Edit condition")
    base_order = ("position", "asc")
    list_columns = ["sentence"]
    order_columns: list[str] = []
    search_columns = ["version", "metric"]
    filter_choices = {"metric": labels.METRIC}
    show_columns = ["version", "sentence"]
    _when_and_where = [
        (lazy_gettext("When"), {"fields": ["window_days", "hour_from", "hour_to"]}),
        (
            lazy_gettext("Which events"),
            {"fields": ["institutions", "categories", "regions", "event_types", "result"]},
        ),
    ]
    _what = ["metric", "op", "value"]
    add_fieldsets = [(lazy_gettext("What must be true"), {"fields": ["version", *_what]}), *_when_and_where]
    edit_fieldsets = [(lazy_gettext("What must be true"), {"fields": _what}), *_when_and_where]
    label_columns = {
        "sentence": lazy_gettext("Condition"),
        "version": lazy_gettext("Rule version"),
        "metric": lazy_gettext("Metric"),
        "op": lazy_gettext("Operator"),
        "value": lazy_gettext("Threshold"),
        "window_days": lazy_gettext("Window"),
        "hour_from": lazy_gettext("From hour"),
        "hour_to": lazy_gettext("To hour"),
        "institutions": lazy_gettext("Institutions"),
        "categories": lazy_gettext("Categories"),
        "regions": lazy_gettext("Regions"),
        "event_types": lazy_gettext("Event types"),
        "result": lazy_gettext("Result"),
    }
    description_columns = {
        "window_days": lazy_gettext("The evaluation date is the last day of the window."),
        "hour_from": lazy_gettext("0 to 24 is the whole day; 20 to 2 wraps midnight."),
    }
    units = {
        "window_days": lazy_gettext("days"),
        "hour_from": lazy_gettext("o'clock"),
        "hour_to": lazy_gettext("o'clock"),
    }
    _fields = {
        "metric": select(lazy_gettext("Metric"), labels.METRIC),
        "op": SelectField(
            lazy_gettext("Operator"),
            choices=[(o, o) for o in (">=", ">", "==", "<=", "<")],
            widget=Select2Widget(),
        ),
        "result": select(lazy_gettext("Result"), labels.RESULT),
        "event_types": SelectMultipleField(
            lazy_gettext("Event types"),
            description=lazy_gettext("None chosen: all."),
            choices=lambda: labels.choices(labels.EVENT_TYPE),
            widget=Select2ManyWidget(),
        ),
        "institutions": SelectMultipleField(
            lazy_gettext("Institutions"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.institution_choices,
            widget=Select2ManyWidget(),
        ),
        "categories": SelectMultipleField(
            lazy_gettext("Categories"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.category_choices,
            widget=Select2ManyWidget(),
        ),
        "regions": SelectMultipleField(
            lazy_gettext("Regions"),
            description=lazy_gettext("None chosen: all."),
            choices=catalogue.region_choices,
            widget=Select2ManyWidget(),
        ),
    }
    add_form_extra_fields = _fields
    edit_form_extra_fields = _fields
    validators_columns = {
        "value": [NumberRange(0, 1_000_000)],
        "window_days": [NumberRange(1, 366)],
        "hour_from": [NumberRange(0, 23)],
        "hour_to": [NumberRange(0, 24)],
    }

    def heading(self, item: Any) -> str:
        """The condition as a sentence."""
        return describe.condition_row_sentence(item)

    def prefill_add(self, form: Any) -> None:
        """Sensible defaults."""
        form.hour_from.data, form.hour_to.data, form.window_days.data, form.value.data = 0, 24, 7, 3

    def may_change(self, item: Any) -> str | None:
        """Only drafts change."""
        if item.version.status != VersionStatus.DRAFT:
            return _("Only a draft can be changed. Make a new draft of the rule first.")
        return None

    def check(self, form: Any, item: Any | None) -> None:
        """Refuse conditions that can't mean anything."""
        if form.hour_from.data == form.hour_to.data:
            raise FieldError("hour_to", "From and to must be different hours.")
        version = item.version if item else form.version.data
        if version is None:
            raise FieldError("version", "Choose the rule version this condition belongs to.")
        if version.status != VersionStatus.DRAFT:
            raise FieldError("version", "Only a draft can be changed. Make a new draft of the rule first.")

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Put a new condition last."""
        if created:
            item.position = (
                max([row.position for row in item.version.conditions if row is not item] or [0]) + 1
            )
            db.session.add(item)


class RuleVersionView(ConsoleView):
    """Versions of rules. A draft can be edited and put in force; the others are history."""

    model = RuleVersion
    computed = {"sentence": describe.version_sentence}
    base_permissions = ["can_list", "can_show", "can_edit", "can_delete", "activate"]
    related_views = [RuleConditionView]
    empty_hint = lazy_gettext("No version yet. Make a new draft on the rule's page.")
    list_title = lazy_gettext("Rule versions")
    show_title = lazy_gettext("Rule version")
    edit_title = lazy_gettext("Edit draft")
    list_columns = ["rule", "number", "status", "sentence", "created_by", "created_at"]
    order_columns = ["number", "status", "created_at"]
    search_columns = ["rule", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        "rule",
        "number",
        "status",
        "sentence",
        "match",
        "cooldown_days",
        "half_life_days",
        "created_by",
        "created_at",
        "activated_by",
        "activated_at",
    ]
    edit_columns = ["match", "cooldown_days", "half_life_days", *WEIGHTS, *BANDS]
    edit_fieldsets = [
        (lazy_gettext("When it is met"), {"fields": ["match", "cooldown_days"]}),
        (lazy_gettext("Score"), {"fields": ["half_life_days", *WEIGHTS]}),
        (lazy_gettext("Grades"), {"fields": [*BANDS]}),
    ]
    label_columns = {
        "rule": lazy_gettext("Rule"),
        "number": lazy_gettext("Version"),
        "status": lazy_gettext("Status"),
        "sentence": lazy_gettext("Meaning"),
        "match": lazy_gettext("Met when"),
        "cooldown_days": lazy_gettext("Cooldown"),
        "half_life_days": lazy_gettext("Half life of the score"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Created"),
        "activated_by": lazy_gettext("Put in force by"),
        "activated_at": lazy_gettext("In force since"),
    }
    description_columns = {
        "cooldown_days": lazy_gettext("A lead is not hit again by the same rule for this many days."),
        "half_life_days": lazy_gettext("After this many days an event counts half towards the score."),
    }
    formatters_columns = {
        "status": labels.tag(labels.VERSION_STATUS, "version"),
        "match": labels.of(labels.MATCH),
        "created_at": labels.when,
        "activated_at": labels.when,
    }
    units = {"cooldown_days": lazy_gettext("days"), "half_life_days": lazy_gettext("days")}
    edit_form_extra_fields = {
        "match": select(lazy_gettext("Met when"), labels.MATCH),
        **{
            name: FloatField(
                lazy_gettext("Weight of %(kind)s", kind=labels.EVENT_TYPE[kind]),
                validators=[InputRequired(), NumberRange(0, 1000)],
                widget=BS3TextFieldWidget(),
            )
            for name, kind in WEIGHTS.items()
        },
        **{
            name: FloatField(
                lazy_gettext("Grade %(grade)s from a score of", grade=grade),
                validators=[InputRequired(), NumberRange(0, 1_000_000)],
                widget=BS3TextFieldWidget(),
            )
            for name, grade in BANDS.items()
        },
    }
    validators_columns = {
        "cooldown_days": [NumberRange(1, 3650)],
        "half_life_days": [NumberRange(0.1, 3650)],
    }

    def may_change(self, item: Any) -> str | None:
        """Only drafts change."""
        if item.status != VersionStatus.DRAFT:
            return _("Only a draft can be changed. Make a new draft of the rule first.")
        return None

    def offers(self, action: str, item: RuleVersion) -> bool:
        """Only a draft is put in force."""
        return item.status == VersionStatus.DRAFT

    def prefill_form(self, form: Any, pk: Any) -> None:
        """Show the weights and bands as they are stored."""
        version = self._row(pk)
        for name, kind in WEIGHTS.items():
            form[name].data = version.weights[kind]
        for name, grade in BANDS.items():
            form[name].data = version.grade_bands[grade]

    def check(self, form: Any, item: Any | None) -> None:
        """Grades go down from A."""
        edges = [form[name].data for name in BANDS]
        if edges != sorted(edges, reverse=True):
            raise FieldError("band_a", "Grades go down: A needs the highest score, then B, then C.")

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store weights and bands whole."""
        item.weights = {kind: form[name].data for name, kind in WEIGHTS.items()}
        item.grade_bands = {grade: form[name].data for name, grade in BANDS.items()} | {"D": 0.0}

    @action(
        "activate", lazy_gettext("Put in force"), lazy_gettext("Put this draft in force?"), multiple=False
    )
    def activate(self, item: RuleVersion) -> Any:
        """Make the draft the version that is evaluated."""
        versions.activate(item, me())
        db.session.commit()
        flash(_("%(version)s is in force.", version=str(item)), "success")
        return redirect(url_for("RuleVersionView.show", pk=item.id))


class RuleView(ConsoleView):
    """监控指标: the rules."""

    model = Rule
    computed = {"sentence": describe.rule_sentence}
    related_views = [RuleVersionView]
    empty_hint = lazy_gettext("No rule yet. Add one, give it conditions and put it in force.")
    list_title = lazy_gettext("Rules")
    show_title = lazy_gettext("Rule")
    add_title = lazy_gettext("Add rule")
    edit_title = lazy_gettext("Edit rule")
    base_order = ("code", "asc")
    list_columns = ["code", "name", "status", "sentence", "active_version"]
    order_columns = ["code", "name", "status"]
    search_columns = ["name", "code", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = ["code", "name", "description", "status", "active_version", "sentence", "created_at"]
    add_columns = ["code", "name", "description"]
    edit_columns = ["name", "description"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "description": lazy_gettext("Purpose"),
        "status": lazy_gettext("Status"),
        "active_version": lazy_gettext("Version in force"),
        "sentence": lazy_gettext("Meaning"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": labels.code,
        "status": labels.tag(labels.VERSION_STATUS, "version"),
        "created_at": labels.when,
    }
    validators_columns = {"code": [DataRequired(), CODE], "name": [DataRequired()]}

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """A new rule starts with an empty draft."""
        if created:
            db.session.add(item)
            g.new_version = RuleVersion(
                number=1,
                match="all",
                cooldown_days=7,
                half_life_days=DEFAULT_HALF_LIFE_DAYS,
                weights=DEFAULT_WEIGHTS,
                grade_bands=DEFAULT_GRADE_BANDS,
                created_by=me(),
            )
            item.versions.append(g.new_version)

    def post_add_redirect(self) -> Any:
        """Go on where the work is: the new rule's draft and its conditions."""
        version = g.get("new_version")
        return redirect(url_for("RuleVersionView.show", pk=version.id)) if version else self.back()

    def remove(self, item: Any) -> None:
        """A rule with hits stays."""
        versions.delete_rule(item)

    def offers(self, action: str, item: Rule) -> bool:
        """A rule in force can be paused, a paused one resumed."""
        needed = {"pause": RuleStatus.ACTIVE, "resume": RuleStatus.PAUSED}
        return action not in needed or item.status == needed[action]

    @action("draft", lazy_gettext("New draft"), multiple=False)
    def draft(self, item: Rule) -> Any:
        """Copy the newest version as a draft and open it."""
        version = versions.draft_of(item, me())
        db.session.commit()
        return redirect(url_for("RuleVersionView.show", pk=version.id))

    @action("pause", lazy_gettext("Pause"), lazy_gettext("Stop evaluating the selected rules?"))
    def pause(self, items: Any) -> Any:
        """Stop evaluating."""
        self.each(items, lambda rule: versions.set_paused(rule, True))
        return self.back()

    @action("resume", lazy_gettext("Resume"), lazy_gettext("Evaluate the selected rules again?"))
    def resume(self, items: Any) -> Any:
        """Evaluate again."""
        self.each(items, lambda rule: versions.set_paused(rule, False))
        return self.back()


#: action → the status it moves a hit to
_HIT_MOVES = {"start": "in_progress", "convert": "converted", "fail": "failed", "reopen": "waiting"}


class HitView(ExportsWholeList, ConsoleView):
    """高潜线索: leads that a rule caught."""

    model = Hit
    page_only = frozenset({"recompute"})
    export_kind = "hits"
    computed = {
        "phone": phones.phone_of_hit,
        "reason": describe.reason,
        "arithmetic": describe.arithmetic,
        "seen_at": describe.seen_at,
    }
    base_permissions = [
        "can_list",
        "can_show",
        "can_export_all",
        "start",
        "convert",
        "fail",
        "reopen",
        "recompute",
        "export",
    ]
    add_columns = edit_columns = ["status"]
    empty_hint = lazy_gettext(
        "No hit yet. Hits appear when rules in force are evaluated, each morning for the day before."
    )
    list_title = lazy_gettext("High-potential leads")
    show_title = lazy_gettext("Hit")
    base_order = ("hit_date", "desc")
    list_columns = ["lead", "grade", "rule", "reason", "hit_date", "status"]
    order_columns = ["grade", "hit_date", "status", "score"]
    search_columns = ["status", "grade", "rule", "hit_date", "score"]
    filter_choices = {"status": labels.HIT_STATUS, "grade": {grade: grade for grade in "ABCD"}}
    show_columns = [
        "lead",
        "phone",
        "rule",
        "version",
        "hit_date",
        "status",
        "grade",
        "reason",
        "arithmetic",
        "seen_at",
        "last_met_on",
        "opted_out",
        "created_at",
    ]
    label_columns = {
        "lead": lazy_gettext("Lead"),
        "phone": lazy_gettext("Phone"),
        "grade": lazy_gettext("Grade"),
        "score": lazy_gettext("Score"),
        "rule": lazy_gettext("Rule hit"),
        "version": lazy_gettext("Rule version"),
        "reason": lazy_gettext("Reason"),
        "arithmetic": lazy_gettext("Score, worked out"),
        "seen_at": lazy_gettext("First and last event"),
        "hit_date": lazy_gettext("Hit date"),
        "last_met_on": lazy_gettext("Last met on"),
        "status": lazy_gettext("Status"),
        "opted_out": lazy_gettext("Do not disturb"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "status": labels.tag(labels.HIT_STATUS, "hit"),
        "grade": labels.tag({}, "grade"),
        "opted_out": labels.yes_no,
        "created_at": labels.when,
    }

    def offers(self, action: str, item: Hit) -> bool:
        """The steps that a hit's status allows."""
        return action not in _HIT_MOVES or _HIT_MOVES[action] in hits.MOVES[item.status]

    def list_links(self) -> list[Link]:
        """Export the list."""
        return self.export_links()

    def heading(self, item: Hit) -> str:
        """The lead and the rule that caught it."""
        return f"{item.lead} · {item.rule.name}"

    def _interface(self) -> ConsoleInterface:
        data = super()._interface()
        data.ties = ("score",)
        return data

    def _move(self, items: Any, status: str) -> Any:
        count = self.each(items, lambda hit: hits.move(hit, status))
        flash(_("Status of %(n)s hits changed.", n=count), "success")
        return self.back()

    @action("start", lazy_gettext("Contact"))
    def start(self, items: Any) -> Any:
        """单独联系: take the hits into work."""
        return self._move(items, _HIT_MOVES["start"])

    @action("convert", lazy_gettext("Mark converted"), lazy_gettext("Mark the selected hits as converted?"))
    def convert(self, items: Any) -> Any:
        """The customer took the offer."""
        return self._move(items, _HIT_MOVES["convert"])

    @action("fail", lazy_gettext("No interest"), lazy_gettext("Close the selected hits without success?"))
    def fail(self, items: Any) -> Any:
        """The customer is not interested or can't be reached."""
        return self._move(items, _HIT_MOVES["fail"])

    @action("reopen", lazy_gettext("Reactivate"))
    def reopen(self, items: Any) -> Any:
        """再次激活: wait for work again."""
        return self._move(items, _HIT_MOVES["reopen"])

    @action("recompute", lazy_gettext("Recompute"), multiple=False)
    def recompute(self, item: Hit) -> Any:
        """Say whether data and rule version still agree with the hit; nothing is changed."""
        found = recompute(current_app.config["SETTINGS"], item)
        if found:
            flash(_("Recomputed, and it differs now: %(what)s", what=describe.differences(found)), "warning")
        else:
            flash(_("Recomputed: data and rule version still agree with this hit."), "success")
        return redirect(url_for("HitView.show", pk=item.id))

    @action("export", lazy_gettext("Export (masked)"), single=False)
    def export(self, items: list[Hit]) -> Any:
        """Download the ticked hits, phones masked."""
        return files.csv_download(hits.export_rows(items), "hits")


#: a lead's page shows what was found about the lead
LeadView.related_views = [HitView]


class InstitutionView(ConsoleView):
    """The catalogue of institutions; unlisted ones appear by themselves."""

    model = Institution
    empty_hint = lazy_gettext(
        "No institution yet. They appear by themselves when logs are read, or are added by hand."
    )
    list_title = lazy_gettext("Institutions")
    show_title = lazy_gettext("Institution")
    add_title = lazy_gettext("Add institution")
    edit_title = lazy_gettext("Edit institution")
    base_order = ("code", "asc")
    list_columns = ["code", "name", "category", "region", "listed", "first_seen"]
    order_columns = ["code", "name", "category", "region", "listed", "first_seen"]
    search_columns = ["name", "code", "category", "region", "listed"]
    filter_choices = {"category": labels.CATEGORY}
    show_columns = list_columns
    add_columns = ["code", "name", "category", "region"]
    edit_columns = ["name", "category", "region"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "category": lazy_gettext("Category"),
        "region": lazy_gettext("Region"),
        "listed": lazy_gettext("Listed"),
        "first_seen": lazy_gettext("First seen"),
    }
    description_columns = {
        "category": lazy_gettext("Rules can choose institutions by category, such as bank or micro_loan."),
    }
    formatters_columns = {
        "code": labels.code,
        "category": labels.of(labels.CATEGORY),
        "listed": labels.yes_no,
    }
    validators_columns = {"code": [DataRequired(), Length(max=128)], "name": [DataRequired()]}
    _choices = {
        "category": SelectField(
            lazy_gettext("Category"),
            description=lazy_gettext("Rules can choose institutions by category."),
            choices=catalogue.categories_to_choose,
            widget=Select2Widget(),
        ),
        "region": SelectField(
            lazy_gettext("Region"), choices=catalogue.regions_to_choose, widget=Select2Widget()
        ),
    }
    add_form_extra_fields = _choices
    edit_form_extra_fields = _choices

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Describing an institution lists it."""
        item.code = item.code.strip()
        item.listed = True
        if created:
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """An institution that a rule names stays."""
        catalogue.delete(item)


class IngestFileView(ConsoleView):
    """Log files that were read."""

    model = IngestFile
    base_permissions = ["can_list", "can_show", "can_rejects"]
    list_title = lazy_gettext("Log deliveries")
    show_title = lazy_gettext("Log delivery")
    empty_hint = lazy_gettext(
        "No log file was read yet. Files put into the inbox are read by the next T+1 run."
    )
    base_order = ("ingested_at", "desc")
    list_columns = ["name", "rows_read", "accepted", "duplicates", "rows_rejected", "ingested_at"]
    order_columns = ["name", "rows_read", "accepted", "duplicates", "ingested_at"]
    search_columns = ["name", "ingested_at", "rows_read"]
    show_columns = [
        "name",
        "digest",
        "size_bytes",
        "rows_read",
        "accepted",
        "duplicates",
        "rejected",
        "ingested_at",
    ]
    label_columns = {
        "name": lazy_gettext("File"),
        "digest": lazy_gettext("SHA-256 of the content"),
        "size_bytes": lazy_gettext("Size (bytes)"),
        "rows_read": lazy_gettext("Rows read"),
        "accepted": lazy_gettext("Accepted"),
        "duplicates": lazy_gettext("Duplicates"),
        "rows_rejected": lazy_gettext("Rejected"),
        "rejected": lazy_gettext("Rejected by reason"),
        "ingested_at": lazy_gettext("Read at"),
    }
    formatters_columns = {
        "name": labels.file_tail,
        "digest": labels.code,
        "rejected": labels.counts,
        "ingested_at": labels.when,
        "size_bytes": labels.number,
        "rows_read": labels.number,
        "accepted": labels.number,
        "duplicates": labels.number,
        "rows_rejected": labels.number,
    }

    def heading(self, item: IngestFile) -> str:
        """The file's name with that of its folder."""
        return "/".join(item.name.split("/")[-2:])

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super()._get_list_widget(*args, **kwargs) | {
            "chart": ChartWidget(chart=charts.events_per_day())
        }

    def show_links(self, item: IngestFile) -> list[Link]:
        """The rejected rows."""
        if not item.rejects_file or not may("can_rejects", "IngestFileView"):
            return []
        return [Link(_("Download the rejected rows"), url_for(".rejects", pk=item.id))]

    @expose("/rejects/<pk>", methods=["GET"])
    @has_access
    def rejects(self, pk: str) -> Any:
        """Download the rejected rows with line and reason."""
        row = self._row(pk)
        path = runs.rejects_path(row)
        if path is None:
            abort(404, description=_("No row of this file was rejected."))
        return send_file(path, as_attachment=True, download_name=f"rejected-{row.id}.csv")


class JobRunView(ConsoleView):
    """Background runs, with their steps and progress."""

    model = JobRun
    computed = {"summary": run_pages.run_summary, "refused": run_pages.refused_files}
    base_permissions = ["can_list", "can_show", "can_progress", "can_start", "rerun", "release"]
    list_title = lazy_gettext("Runs")
    show_title = lazy_gettext("Run")
    empty_hint = lazy_gettext(
        "No run yet. Yesterday's run starts by itself each morning; a day can be run by hand."
    )
    base_order = ("day", "desc")
    list_columns = ["day", "status", "progress", "summary", "requested_by", "started_at"]
    order_columns = ["day", "status", "started_at"]
    search_columns = ["status", "day", "requested_by"]
    filter_choices = {"status": labels.RUN_STATUS}
    show_columns = [
        "kind",
        "day",
        "status",
        "note",
        "refused",
        "error",
        "attempts",
        "requested_by",
        "started_at",
        "finished_at",
    ]
    label_columns = {
        "kind": lazy_gettext("Kind"),
        "day": lazy_gettext("Day"),
        "status": lazy_gettext("Status"),
        "progress": lazy_gettext("Progress"),
        "summary": lazy_gettext("Result"),
        "note": lazy_gettext("Note"),
        "refused": lazy_gettext("Refused files"),
        "error": lazy_gettext("Error"),
        "attempts": lazy_gettext("Attempts"),
        "requested_by": lazy_gettext("By"),
        "started_at": lazy_gettext("Started"),
        "finished_at": lazy_gettext("Finished"),
    }
    formatters_columns = {
        "kind": labels.of(labels.RUN_KIND),
        "status": labels.tag(labels.RUN_STATUS, "run"),
        "progress": labels.percent,
        "note": labels.of(labels.RUN_NOTE),
        "started_at": labels.when,
        "finished_at": labels.when,
    }

    @expose("/progress/<pk>", methods=["GET"])
    @has_access
    def progress(self, pk: str) -> Any:
        """The run's state as JSON, polled by its page."""
        return run_pages.progress_of(self._row(pk))

    def list_links(self) -> list[Link]:
        """Run a day by hand."""
        return (
            [Link(_("Start a T+1 run"), url_for(".start"), primary=True)]
            if may("can_start", "JobRunView")
            else []
        )

    def offers(self, action: str, item: JobRun) -> bool:
        """Only a held run is released; one at work isn't started again."""
        if action == "release":
            return item.status == RunStatus.HELD
        return item.status not in (RunStatus.QUEUED, RunStatus.RUNNING)

    def heading(self, item: JobRun) -> str:
        """Kind and day."""
        return f"{labels.word(labels.RUN_KIND, item.kind)} {item.day}"

    def progress_of(self, item: JobRun) -> dict[str, Any]:
        """How far the run is."""
        return run_pages.progress_of(item) | {"url": url_for(".progress", pk=item.id)}

    @expose("/start", methods=["GET", "POST"])
    @has_access
    def start(self) -> Any:
        """Start the T+1 run of a day by hand."""
        form = forms.StartRunForm()
        if form.validate_on_submit():
            try:
                run = runs.request_run(form.day.data, me())
            except DomainError as error:
                form.day.errors = [*form.day.errors, error.text()]
            else:
                return redirect(url_for("JobRunView.show", pk=run.id))
        self.update_redirect()
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Start the run"))
        return self.render_template("form.html", widgets={"edit": widget}, title=_("Start a T+1 run"))

    @action("rerun", lazy_gettext("Run again"), lazy_gettext("Run this day again?"), multiple=False)
    def rerun(self, item: JobRun) -> Any:
        """Run the day again; nothing is counted twice."""
        runs.request_run(item.day, me())
        return redirect(url_for("JobRunView.show", pk=item.id))

    @action(
        "release",
        lazy_gettext("Evaluate anyway"),
        lazy_gettext("Evaluate the day although its data looks incomplete?"),
        multiple=False,
    )
    def release(self, item: JobRun) -> Any:
        """Let a held run go on."""
        runs.release(item, me())
        return redirect(url_for("JobRunView.show", pk=item.id))


class StaffView(UserDBModelView, ConsoleView):  # type: ignore[misc]
    """Users: log-ins of the bank's staff."""

    model = Staff
    computed = {"full_name": Staff.get_full_name}
    route_base = "/users"
    base_permissions = [*permissions.TABLE["StaffView"]]
    list_title = lazy_gettext("Users")
    show_title = lazy_gettext("User")
    add_title = lazy_gettext("Add user")
    edit_title = lazy_gettext("Edit user")
    base_order = ("username", "asc")
    list_columns = ["username", "full_name", "roles", "branch", "active", "last_login"]
    order_columns = ["username", "active", "last_login"]
    search_columns = ["username", "last_name", "roles", "branch", "active"]
    show_columns = [
        "username",
        "full_name",
        "email",
        "roles",
        "branch",
        "active",
        "last_login",
        "login_count",
    ]
    show_fieldsets = None
    user_info_title = lazy_gettext("My profile")
    user_show_fieldsets = [
        (None, {"fields": ["username", "full_name", "email", "roles", "branch", "language"]})
    ]
    _person = ["last_name", "first_name", "email", "language"]
    _access = (lazy_gettext("Access"), {"fields": ["roles", "branch", "active"]})
    add_fieldsets = [
        (lazy_gettext("Person"), {"fields": ["username", *_person]}),
        _access,
        (lazy_gettext("Password"), {"fields": ["password", "conf_password"]}),
    ]
    edit_fieldsets = [(lazy_gettext("Person"), {"fields": _person}), _access]
    label_columns = {
        "username": lazy_gettext("User name"),
        "full_name": lazy_gettext("Full name"),
        "last_name": lazy_gettext("Family name"),
        "first_name": lazy_gettext("Given name"),
        "email": lazy_gettext("E-mail"),
        "roles": lazy_gettext("Roles"),
        "branch": lazy_gettext("Branch"),
        "language": lazy_gettext("Language"),
        "active": lazy_gettext("Enabled"),
        "last_login": lazy_gettext("Last log-in"),
        "login_count": lazy_gettext("Log-ins"),
    }
    description_columns = {
        "branch": lazy_gettext("A marketer sees this branch and what lies below it."),
        "active": lazy_gettext("Switch people off instead of deleting them."),
    }
    formatters_columns = {
        "active": labels.yes_no,
        "last_login": labels.when,
        "language": labels.of(dict(forms.LANGUAGES)),
    }
    _language = SelectField(
        lazy_gettext("Language"), choices=[("zh", "中文"), ("en", "English")], widget=Select2Widget()
    )
    _roles = QuerySelectMultipleField(
        lazy_gettext("Roles"),
        validators=[DataRequired()],
        query_func=lambda: db.session.query(Role).filter(Role.name != "Public").order_by(Role.id).all(),
        get_pk_func=lambda role: role.id,
        get_label=lambda role: labels.word(labels.ROLE, role.name),
    )
    add_form_extra_fields = {
        "language": _language,
        "roles": _roles,
        "password": forms.new_password(),
        "conf_password": forms.password_again(),
    }
    edit_form_extra_fields = {"language": _language, "roles": _roles}

    def heading(self, item: Any) -> str:
        """The person's name."""
        return str(item.get_full_name())

    def offers(self, action: str, item: Any) -> bool:
        """Profile and own password for oneself, a new password and deletion for others."""
        return (action in ("resetpasswords", "delete")) != (item.id == g.user.id)

    @action("resetmypassword", lazy_gettext("Change my password"), multiple=False)
    def resetmypassword(self, item: Any) -> Any:
        """Open the form for one's own password."""
        return redirect(url_for("MyPasswordView.this_form_get"))

    @action("userinfoedit", lazy_gettext("Change my language"), multiple=False)
    def userinfoedit(self, item: Any) -> Any:
        """Open the form of one's own profile."""
        return redirect(url_for("ProfileView.this_form_get"))

    @action("resetpasswords", lazy_gettext("Give a new password"), multiple=False)
    def resetpasswords(self, item: Any) -> Any:
        """Open the form for somebody else's password."""
        return redirect(url_for("PasswordView.this_form_get", pk=item.id))

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Keep the password as a hash only."""
        if created:
            item.password = generate_password_hash(form.password.data)
            db.session.add(item)

    def check(self, form: Any, item: Any | None) -> None:
        """A marketer needs a branch, and somebody must stay who can put things right."""
        names = {role.name for role in form.roles.data}
        if "Marketer" in names and form.branch.data is None:
            raise FieldError("branch", "A marketer sees one branch; choose it.")
        if item is not None:
            staff.check_admin_stays(item, active=form.active.data, roles=names)

    def remove(self, item: Any) -> None:
        """Nobody deletes the account they are using, nor the last administrator."""
        staff.check_admin_stays(item, active=False, roles=set())
        if item.id == g.user.id:
            raise DomainError("You can't delete your own account.")
        db.session.delete(item)

    _add, _edit, _delete = ConsoleView._add, ConsoleView._edit, ConsoleView._delete
    show = ConsoleView.show


def _permissions_field() -> QuerySelectMultipleField:
    """Permissions to tick, in words."""
    return QuerySelectMultipleField(
        lazy_gettext("Permissions"),
        query_func=role_words.by_view,
        get_pk_func=lambda pair: pair.id,
        get_label=role_words.permission_words,
    )


class RoleView(ConsoleView):
    """Roles and what they may do."""

    model = Role

    route_base = "/roles"
    list_title = lazy_gettext("Roles")
    show_title = lazy_gettext("Role")
    add_title = lazy_gettext("Add role")
    edit_title = lazy_gettext("Edit role")
    base_order = ("id", "asc")
    list_columns = ["name"]
    order_columns = ["name"]
    search_columns = ["name"]
    show_columns = ["name", "permissions"]
    add_columns = ["name", "permissions"]
    edit_columns = ["permissions"]
    label_columns = {"name": lazy_gettext("Name"), "permissions": lazy_gettext("Permissions")}
    formatters_columns = {"name": labels.of(labels.ROLE), "permissions": role_words.grouped}
    add_form_extra_fields = {"permissions": _permissions_field()}
    edit_form_extra_fields = {"permissions": _permissions_field()}

    def heading(self, item: Any) -> str:
        """The role's name in words."""
        return labels.word(labels.ROLE, item.name)

    def may_change(self, item: Any) -> str | None:
        """The built-in roles are what app/permissions.py says."""
        if item.name in permissions.ROLES.values() or item.name == "Public":
            return _(
                "“%(role)s” is built in. Make a role of your own to change permissions.",
                role=self.heading(item),
            )
        return None

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Who may open a list gets its menu entry."""
        item.permissions = role_words.with_menu(item.permissions)
        if created:
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """A role that somebody has stays."""
        if item.user:
            raise DomainError("%(n)s users have this role; take it from them first.", n=len(item.user))
        db.session.delete(item)


class ProfileView(SimpleFormView):  # type: ignore[misc]
    """My profile: what I may change about myself."""

    route_base = "/profile"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.ProfileForm
    form_title = lazy_gettext("My profile")

    def form_get(self, form: Any) -> None:
        """Show what is stored."""
        form.language.data = g.user.language

    def form_post(self, form: Any) -> Any:
        """Store and switch the language at once."""
        g.user.language = form.language.data
        db.session.commit()
        session["locale"] = form.language.data
        flash(_("Saved."), "success")
        return redirect(url_for("StaffView.userinfo"))


class MyPasswordView(SimpleFormView):  # type: ignore[misc]
    """Change my own password; the present one is asked for."""

    route_base = "/resetmypassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.MyPasswordForm
    form_title = lazy_gettext("Change my password")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        self.appbuilder.sm.reset_password(g.user.id, form.password.data)
        flash(_("Your password was changed."), "success")
        return redirect(url_for("StaffView.userinfo"))


class PasswordView(SimpleFormView):  # type: ignore[misc]
    """Give somebody else a new password."""

    route_base = "/resetpassword"
    form_template = "form.html"
    edit_widget = ConsoleFormWidget
    form = forms.PasswordForm
    form_title = lazy_gettext("Give a new password")

    def form_post(self, form: Any) -> Any:
        """Store the new password."""
        pk = request.args.get("pk", "")
        person = db.session.get(Staff, int(pk)) if pk.isdigit() else None
        if person is None:
            abort(404)
        self.appbuilder.sm.reset_password(person.id, form.password.data)
        flash(_("%(name)s has a new password.", name=person.username), "success")
        return redirect(url_for("StaffView.show", pk=person.id))


class LeadApi(PerRequestFilters, ModelRestApi):  # type: ignore[misc]
    """Leads for the bank's own systems: read only, masked, in row scope."""

    resource_name = "leads"
    datamodel = ConsoleInterface(Lead, db.session)
    allow_browser_login = True
    include_route_methods = {"get", "get_list"}
    base_filters = [["id", FilterVisible, ""]]
    base_order = ("id", "desc")
    list_columns = ["id", "lead_no", "name", "phone_masked", "source", "status", "branch.code", "created_at"]
    show_columns = list_columns
    search_columns = ["lead_no", "status", "source", "created_at"]
    order_columns = ["id", "created_at"]


class HitApi(PerRequestFilters, ModelRestApi):  # type: ignore[misc]
    """Hits for the bank's own systems: read only, in row scope."""

    resource_name = "hits"
    datamodel = ConsoleInterface(Hit, db.session)
    allow_browser_login = True
    include_route_methods = {"get", "get_list"}
    base_filters = [["id", FilterVisible, ""]]
    base_order = ("id", "desc")
    list_columns = [
        "id",
        "rule.code",
        "version.number",
        "lead.lead_no",
        "hit_date",
        "grade",
        "score",
        "status",
        "values",
        "opted_out",
    ]
    show_columns = list_columns
    search_columns = ["status", "grade", "hit_date", "rule"]
    order_columns = ["id", "hit_date", "score"]


_LABELS = {
    "Leads": lazy_gettext("Leads"),
    "Rules": lazy_gettext("Rules"),
    "Hits": lazy_gettext("High-potential leads"),
    "Data": lazy_gettext("Data and jobs"),
    "Settings": lazy_gettext("Settings"),
}
_ICONS = {
    "Leads": "fa-users",
    "Rules": "fa-sliders",
    "Hits": "fa-bullseye",
    "Data": "fa-database",
    "Settings": "fa-gear",
}


def register(appbuilder: Any) -> None:
    """Add every view, in the order of the work."""
    for category, names in permissions.MENU.items():
        for name in names:
            view = globals()[name]
            appbuilder.add_view(
                view,
                name,
                label=view.list_title,
                category=category,
                category_label=_LABELS[category],
                category_icon=_ICONS[category],
            )
    appbuilder.add_view_no_menu(RuleConditionView)
    appbuilder.add_api(LeadApi)
    appbuilder.add_api(HitApi)
