"""The screens of schedules, their versions and editor, and of holidays."""

from __future__ import annotations

from typing import Any

import orjson
from flask import abort, flash, jsonify, redirect, render_template, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import DateField
from wtforms.validators import DataRequired, Length

from app import labels
from app.console import downloads, formats, forms, versions
from app.console.access import may, me
from app.console.formats import changes_markup
from app.console.forms import select
from app.console.table import Link
from app.console.versions import Pausable, SubmitsVersions
from app.console.view import ConsoleView
from app.console.widgets import ConsoleFormWidget, NoteWidget, WeekWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import Holiday, Schedule, ScheduleVersion, VersionStatus
from app.push import test_push
from app.schedules import approval, presets
from app.schedules import store as stored
from app.schedules.calendar import current
from app.schedules.check import ScheduleRefused, typed_schedule, typed_timing
from app.schedules.holidays import FIRST_YEAR, LAST_YEAR, TEMPLATE
from app.schedules.labels import DAY_KIND
from app.schedules.versions import version_def
from app.screens.schedules import editor, holidays, page


class ScheduleVersionView(SubmitsVersions, ConsoleView):
    """Versions of schedules: drafts, submitted ones, the one in force, and earlier ones."""

    model = ScheduleVersion
    approval = approval
    computed = {
        "sentence": page.version_sentence,
        "rules": page.version_rules,
        "channels": page.version_channels,
        "difference": page.difference,
    }
    base_permissions = ["can_list", "can_show", "can_delete", "can_submit", "can_compare"]
    about = lazy_gettext("All versions of the schedules.")
    empty_next = ("ScheduleView",)
    empty_hint = lazy_gettext("No version yet.")
    list_title = lazy_gettext("Schedule versions")
    show_title = lazy_gettext("Schedule version")
    # Required by Flask-AppBuilder but unused; it can't make form fields for the array columns.
    add_columns = edit_columns = ["status"]
    list_columns = ["schedule", "number", "status", "sentence", "created_by", "created_at"]
    order_columns = ["number", "status", "created_at"]
    search_columns = ["schedule", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = [
        *("schedule", "number", "status", "sentence", "rules", "channels", "difference"),
        *("created_by", "created_at", "activated_by", "activated_at"),
    ]
    label_columns = versions.WORDS | {
        "schedule": lazy_gettext("Schedule"),
        "sentence": lazy_gettext("In words"),
        "rules": lazy_gettext("Rules"),
        "channels": lazy_gettext("Channels"),
        "difference": lazy_gettext("Changes from the version in force"),
    }
    formatters_columns = versions.FORMATS

    def remove(self, item: ScheduleVersion) -> None:
        """Delete a draft, and the schedule with its only version."""
        if len(item.schedule.versions) == 1:
            stored.delete(item.schedule)
        else:
            db.session.delete(item)

    def show_links(self, item: ScheduleVersion) -> list[Link]:
        """Return the links to submission, to editing a draft, and to comparison."""
        links = self.submit_links(item)
        if item.status == VersionStatus.DRAFT and may("can_edit", "ScheduleView"):
            links.append(Link(_("Edit"), url_for("ScheduleView.edit", pk=item.schedule_id)))
        return [*links, Link(_("Compare"), url_for(".compare", pk=item.id))]

    @expose("/compare/<row_id:pk>", methods=["GET"])
    @has_access
    def compare(self, pk: int) -> Any:
        """Show the differences between two versions of a schedule."""
        item = self._row(pk)
        others = [each for each in item.schedule.versions if each is not item]
        requested = request.args.get("with", "")
        other = next((each for each in others if str(each.id) == requested), None)
        other = other or page.previous_version(item)
        changes = approval.compare(version_def(other) if other else None, version_def(item))
        return self.render_template(
            "schedules/compare.html",
            title=_("Compare %(version)s", version=str(item)),
            version=item,
            other=other,
            others=others,
            changes=changes_markup(changes),
        )


class ScheduleView(Pausable, ConsoleView):
    """推送频率: when the hits of which rules are pushed, and to whom."""

    model = Schedule
    life = stored
    computed = {
        "sentence": page.sentence,
        "rules": page.rules,
        "few_rules": page.few_rules,
        "next": page.next_push_time,
    }
    base_permissions = [
        *("can_list", "can_show", "can_add", "can_edit", "can_delete", "can_preview"),
        *("can_test", "pause", "resume", "retire"),
    ]
    related_views = [ScheduleVersionView]
    about = lazy_gettext("When hits are pushed, through which channels and to whom.")
    empty_next = ("RuleView", "TargetView")
    empty_hint = lazy_gettext("No schedule yet. Add one to set which hits are pushed, when and to whom.")
    list_title = lazy_gettext("Schedules")
    show_title = lazy_gettext("Schedule")
    add_title = lazy_gettext("Add schedule")
    base_order = ("code", "asc")
    list_columns = ["code", "name", "status", "sentence", "few_rules", "next"]
    order_columns = ["code", "name", "status"]
    search_columns = ["name", "code", "status"]
    filter_choices = {"status": labels.VERSION_STATUS}
    show_columns = ["code", "name", "status", "sentence", "rules", "next", "active_version", "created_at"]
    label_columns = {
        "code": lazy_gettext("Code"),
        "name": lazy_gettext("Name"),
        "status": lazy_gettext("Status"),
        "sentence": lazy_gettext("In words"),
        "rules": lazy_gettext("Rules"),
        "few_rules": lazy_gettext("Rules"),
        "next": lazy_gettext("Next push"),
        "active_version": lazy_gettext("Version in force"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {
        "code": formats.code,
        "status": formats.tag(labels.VERSION_STATUS, "version"),
        "created_at": formats.when,
    }

    # -- the editor ------------------------------------------------------------------------
    @expose("/add", methods=["GET"])
    @has_access
    def add(self) -> Any:
        """Show the editor with a new schedule."""
        return self._editor(None)

    @expose("/edit/<row_id:pk>", methods=["GET"])
    @has_access
    def edit(self, pk: int) -> Any:
        """Show the editor with the draft, or with the newest version, which becomes a draft when saved."""
        schedule = self._row(pk)
        try:
            stored.check_editable(schedule)
        except DomainError as error:
            flash(error.text(), "warning")
            return redirect(url_for("ScheduleView.show", pk=pk))
        return self._editor(schedule)

    def _editor(self, schedule: Schedule | None) -> Any:
        version = stored.newest(schedule) if schedule else None
        definition = version_def(version) if version else None
        data = editor.page(schedule, version, definition)
        title = _("Edit %(schedule)s", schedule=schedule.name) if schedule else str(self.add_title)
        return self.render_template("schedules/editor.html", title=title, **data)

    @expose("/save", methods=["POST"])
    @has_access
    @permission_name("edit")
    def save_typed(self) -> Any:
        """Store the typed schedule as the draft. Return its new mark as JSON, or its problems."""
        typed, pk = _posted(), request.form.get("id", "")
        try:
            definition = typed_schedule(typed)
            if pk:
                version = stored.save_draft(self._row(pk), definition, request.form.get("seen", ""), me())
            elif may("can_add", "ScheduleView"):
                version = stored.create(definition, me())
            else:
                abort(403)
            db.session.commit()
        except ScheduleRefused as error:
            return jsonify(problems=editor.problems_json(error)), 422
        except stored.ScheduleChanged as error:
            return jsonify(editor.changed_json(error)), 409
        except FieldError as error:
            db.session.rollback()
            return jsonify(problems=[{"path": error.field, "text": error.text()}]), 422
        except DomainError as error:
            db.session.rollback()
            return jsonify(problems=[{"path": "", "text": error.text()}]), 422
        return jsonify(editor.saved_json(version))

    @expose("/preview", methods=["POST"])
    @has_access
    def preview(self) -> Any:
        """Return what the typed schedule does on a date and in the seven days from it, as JSON."""
        return jsonify(editor.preview_json(_posted(), request.form.get("date")))

    @expose("/keep", methods=["POST"])
    @has_access
    @permission_name("edit")
    def keep_shortcut(self) -> Any:
        """Save the typed timing under a name. Return all saved timings as JSON, or the problems."""
        try:
            presets.keep(request.form.get("name", ""), typed_timing(_posted()), me())
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return jsonify(problems=[{"path": "shortcut", "text": error.text()}]), 422
        return jsonify(shortcuts=editor.kept_shortcuts())

    @expose("/forget/<row_id:shortcut_id>", methods=["POST"])
    @has_access
    @permission_name("edit")
    def forget_shortcut(self, shortcut_id: int) -> Any:
        """Delete a saved timing. Return the remaining ones as JSON."""
        try:
            presets.forget(shortcut_id)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return jsonify(problems=[{"path": "shortcut", "text": error.text()}]), 422
        return jsonify(shortcuts=editor.kept_shortcuts())

    @expose("/test/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    def test(self, pk: int) -> Any:
        """Send a sample marked as a test to the selected targets and show their answers. Touches no hit."""
        schedule, attempts = self._row(pk), []
        version = stored.newest(schedule)
        selected = [each.target for each in version_def(version).channels]
        if request.method == "POST":
            selected = request.form.getlist("target")
            try:
                attempts = test_push.send_sample(selected, me(), schedule)
            except DomainError as error:
                flash(error.text(), "danger")
        return self.render_template(
            "schedules/test_push.html",
            title=_("Test push of %(schedule)s", schedule=schedule.name),
            schedule=schedule,
            targets=editor.targets(),
            selected=selected,
            attempts=attempts,
        )

    @expose("/test_typed", methods=["POST"])
    @has_access
    @permission_name("test")
    def test_typed(self) -> Any:
        """Send such a sample from the editor, where the schedule may be new. Return the answers as a part."""
        pk, attempts, error = request.form.get("id", ""), [], ""
        try:
            schedule = self._row(pk) if pk else None
            attempts = test_push.send_sample(request.form.getlist("target"), me(), schedule)
        except DomainError as refused:
            error = refused.text()
        return render_template("schedules/answers.html", attempts=attempts, error=error)

    # -- the row ---------------------------------------------------------------------------
    def _get_show_widget(self, pk: Any, item: Schedule, *args: Any, **kwargs: Any) -> dict[str, Any]:
        version = item.active_version or stored.newest(item)
        week = WeekWidget(**editor.week(version))
        shown: dict[str, Any] = super()._get_show_widget(pk, item, *args, **kwargs)
        return shown | {"more": [week], "scripts": ["schedule_shown"]}

    def show_links(self, item: Schedule) -> list[Link]:
        """Return the links to a test push and to submitting the draft."""
        newest, links = stored.newest(item), []
        if may("can_test", "ScheduleView"):
            links.append(Link(_("Test push"), url_for("ScheduleView.test", pk=item.id)))
        if newest.status != VersionStatus.DRAFT or not may("can_submit", "ScheduleVersionView"):
            return links
        return [
            *links,
            Link(_("Submit for approval"), url_for("ScheduleVersionView.submit", pk=newest.id), primary=True),
        ]

    def remove(self, item: Schedule) -> None:
        """Delete the schedule. Raises DomainError when it was ever in force."""
        stored.delete(item)

    def offers(self, action: str, item: Schedule) -> bool:
        """Return whether the action applies: deletion only to a schedule that was never in force."""
        return stored.deletable(item) if action == "delete" else super().offers(action, item)


def _posted() -> Any:
    """Return the definition that the editor posts as JSON text."""
    try:
        return orjson.loads(request.form.get("definition", ""))
    except orjson.JSONDecodeError:
        abort(400)


class HolidayView(ConsoleView):
    """节假日: the bank's own holidays and working days, which take precedence over the published calendar."""

    model = Holiday
    computed = {"kind_tag": holidays.kind, "weekday": holidays.day_of_week}
    base_permissions = ["can_list", "can_add", "can_edit", "can_delete", "can_upload", "can_template"]
    list_title = lazy_gettext("Holidays")
    add_title = lazy_gettext("Add holiday")
    edit_title = lazy_gettext("Edit holiday")
    about = lazy_gettext("Days that schedules and contact hours treat differently.")
    empty_hint = lazy_gettext(
        "No dates of your own yet. Published public holidays and make-up working days are built in; "
        "enter only dates that differ from them, and years that are not published yet."
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
    description_columns = {"source": lazy_gettext("For example, the notice of the State Council.")}
    formatters_columns = {"updated_at": formats.when}
    add_form_extra_fields = {
        "date": DateField(lazy_gettext("Date"), validators=[DataRequired()]),
        "kind": select(lazy_gettext("Kind"), DAY_KIND),
    }
    edit_form_extra_fields = add_form_extra_fields
    validators_columns = {"name": [DataRequired(), Length(max=64)], "source": [Length(max=255)]}

    def heading(self, item: Any) -> str:
        """Return the date and the name."""
        return str(item)

    def check(self, form: Any, item: Any | None) -> None:
        """Raise FieldError for a year outside the plausible range."""
        if not FIRST_YEAR <= form.date.data.year <= LAST_YEAR:
            raise FieldError(
                "date", "The year must be between %(first)s and %(last)s.", first=FIRST_YEAR, last=LAST_YEAR
            )

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the holiday with the user who changed it."""
        item.updated_by = me()
        super().save(item, form, created=created)

    def list_links(self) -> list[Link]:
        """Return the link to the import."""
        return [Link(_("Import holidays"), url_for(".upload"))] if may("can_upload", "HolidayView") else []

    def _get_list_widget(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        shown: dict[str, Any] = super()._get_list_widget(*args, **kwargs)
        warning = holidays.warning(current())
        return shown | {"above": [NoteWidget(text=warning)]} if warning else shown

    @expose("/upload", methods=["GET", "POST"])
    @has_access
    def upload(self) -> Any:
        """Import dates from a file."""
        form = forms.HolidayFileForm()
        if form.validate_on_submit():
            try:
                new, changed, unchanged = holidays.import_file(form.file.data, me())
            except DomainError as error:
                form.file.errors = [*form.file.errors, *error.text().split("\n")]
            else:
                flash(
                    _("%(new)s dates added, %(changed)s changed, %(same)s unchanged.",
                      new=new, changed=changed, same=unchanged),
                    "success",
                )  # fmt: skip
                return redirect(self._list_url())
        widget = ConsoleFormWidget(form=form, next=self._list_url(), submit=_("Import"))
        return self.render_template(
            "schedules/holiday_upload.html", widget=widget, title=_("Import holidays")
        )

    @expose("/template", methods=["GET"])
    @has_access
    def template(self) -> Any:
        """Download a file with the headers of the import and two examples."""
        return downloads.csv_download(TEMPLATE, "holiday-template")
