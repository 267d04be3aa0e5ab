"""Import screens: the wizard (file, columns, check, start), and the list of batches with undo."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from flask import abort, flash, redirect, request, send_file, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.actions import action
from flask_appbuilder.security.decorators import permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.console import formats
from app.console.access import may, me
from app.console.parts import WithProgress
from app.console.table import Link
from app.console.view import ConsoleView
from app.errors import DomainError, FieldError
from app.extensions import db
from app.jobs.nudges import nudge
from app.leads import uploads
from app.leads.columns import HEADERS
from app.leads.error_file import error_file_path
from app.leads.kinds import LEADS, can_undo
from app.leads.undo import AT_ONCE, request_undo, undo_import
from app.lib.row_id import whole_number
from app.lib.settings import current_settings
from app.models import BatchStatus, ImportBatch
from app.screens.leads import import_branches, import_page
from app.screens.leads.uploading import JOB, FileGuide, TakesFiles, redirect_to_columns


class ImportWizard(TakesFiles, WithProgress, ConsoleView):
    """The import wizard: the steps before an import, and its progress."""

    file_kind = LEADS
    file_guide = FileGuide(
        lazy_gettext("How an import works"),
        (
            lazy_gettext(
                "Use the template, or any Excel or CSV file whose first row contains the column names in "
                "Chinese or English."
            ),
            lazy_gettext(
                "Each row needs a name, a phone and an ID number. Only a keyed hash of the ID number "
                "is stored."
            ),
            lazy_gettext(
                "Before anything is written, you see how many leads are new, already there or rejected, "
                "and why."
            ),
            lazy_gettext(
                "Invalid rows are rejected and can be downloaded with the reasons. A whole import can "
                "be undone."
            ),
        ),
    )
    template_name = "lead-template"

    def template_header(self) -> list[str]:
        """Return the headers of a lead list."""
        fields = ("lead_no", "name", "phone", "id_number", "source", "branch")
        return [HEADERS[field][0] for field in fields]

    @expose("/columns/<row_id:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("upload")
    def columns(self, pk: int) -> Any:
        """Step 2: match the columns of the file to fields, and start the dry run in the background.

        A large file is first read in the background.
        """
        batch = self._row(pk)
        if batch.status == BatchStatus.READING and request.method == "GET":
            return self._step(1, "leads/import_reading.html", batch=batch, progress=self.progress_of(batch))
        if batch.status not in uploads.WAITING:
            return self._redirect_to_step(batch)
        fields: dict[int, str] = {}
        errors: dict[str, str] = {}
        if request.method == "POST":
            fields = _posted_fields()
            try:
                uploads.match(batch, fields)
            except FieldError as error:
                errors[error.field] = error.text()
            except DomainError as error:
                errors[""] = error.text()
            else:
                nudge("import", JOB, batch.id)
                return redirect(url_for(".review", pk=pk))
        return self._step(
            1,
            "leads/import_columns.html",
            batch=batch,
            columns=import_page.file_columns(batch, fields, errors),
            fields=import_page.fields(batch.kind),
            needed=import_page.NEEDED[batch.kind],
            warnings=import_page.warnings(batch),
            error=next(iter(errors.values()), ""),
        )

    @expose("/review/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("upload")
    def review(self, pk: int) -> Any:
        """Step 3: show what the import would do, once the dry run has finished."""
        return self._review(self._row(pk), {})

    def _review(self, batch: ImportBatch, errors: dict[str, str]) -> Any:
        if batch.status not in (BatchStatus.CHECKING, BatchStatus.CHECKED):
            return self._redirect_to_step(batch)
        checked = batch.status == BatchStatus.CHECKED
        return self._step(
            2,
            "leads/import_review.html",
            batch=batch,
            progress=None if checked else self.progress_of(batch),
            figures=import_page.figures(batch) if checked else [],
            rejected=import_page.rejected(batch) if checked else [],
            warnings=import_page.warnings(batch),
            remarks=import_page.remarks(batch) if checked else [],
            unknown=import_branches.unknown_branches(batch, errors) if checked else None,
        )

    @expose("/branches/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("upload")
    def branches(self, pk: int) -> Any:
        """Store or reset the choices for unknown branches, and start the dry run again."""
        batch = self._row(pk)
        try:
            if request.form.get("again"):
                uploads.reset_branches(batch)
            else:
                uploads.choose_branches(batch, import_branches.read_choices())
        except FieldError as error:
            db.session.rollback()
            return self._review(batch, {error.field: error.text()})
        except DomainError as error:
            flash(error.text(), "warning")
        else:
            nudge("import", JOB, batch.id)
        return redirect(url_for(".review", pk=pk))

    @expose("/recheck/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("upload")
    def recheck(self, pk: int) -> Any:
        """Start the dry run again with the other choice for customers already on the list."""
        batch = self._row(pk)
        try:
            uploads.check(batch, update_existing=request.form.get("update") == "y")
        except DomainError as error:
            flash(error.text(), "warning")
        else:
            nudge("import", JOB, batch.id)
        return redirect(url_for(".review", pk=pk))

    @expose("/start/<row_id:pk>", methods=["POST"])
    @has_access
    @permission_name("upload")
    def start(self, pk: int) -> Any:
        """Step 4: start the import in the background."""
        batch = self._row(pk)
        try:
            uploads.start(batch)
        except DomainError as error:
            flash(error.text(), "warning")
        else:
            nudge("import", JOB, batch.id)
        return redirect(url_for(".show", pk=pk))

    @action(
        "cancel",
        lazy_gettext("Cancel import"),
        lazy_gettext("Cancel this import? Nothing in the file will be imported."),
        multiple=False,
    )
    def cancel(self, item: ImportBatch) -> Any:
        """Cancel an import that has not finished."""
        cancelled = uploads.cancel(item.id)
        flash(_("The import is cancelled.") if cancelled else _("The import will stop shortly."), "success")
        return redirect(url_for("ImportBatchView.show", pk=item.id))

    @action("begin_again", lazy_gettext("Restart the import"), multiple=False)
    def begin_again(self, item: ImportBatch) -> Any:
        """Restart a failed import from the first step."""
        uploads.restart(item)
        db.session.refresh(item)
        return redirect_to_columns(item)

    def state_of(self, item: ImportBatch) -> dict[str, Any]:
        """Return the progress of the current pass."""
        return import_page.progress_of(item)

    def progress_of(self, item: ImportBatch) -> dict[str, Any] | None:
        """Return the progress of the import, None while it waits for the user."""
        return None if item.status in uploads.WAITING else super().progress_of(item)

    def show_links(self, item: ImportBatch) -> list[Link]:
        """Return the links to the next step and to the rejected rows."""
        links = []
        if item.status in uploads.WAITING and may("can_upload", "ImportBatchView"):
            links.append(Link(_("Continue the import"), _next_step(item), primary=True))
        if item.error_file and may("can_errors", "ImportBatchView"):
            links.append(Link(_("Download the rejected rows"), url_for("ImportBatchView.errors", pk=item.id)))
            if may("can_upload", "ImportBatchView"):
                links.append(Link(_("Upload the corrected file"), _first_step(item)))
        return links

    def offers(self, action: str, item: ImportBatch) -> bool:
        """Whether the batch can be restarted (failed), cancelled (unfinished) or undone (finished)."""
        if action == "begin_again":
            return item.upload is not None and item.status == BatchStatus.FAILED
        if action == "cancel":
            return item.upload is not None and item.status in (*uploads.WAITING, *uploads.WORKING)
        return item.status == BatchStatus.DONE and can_undo(item.kind)

    def _redirect_to_step(self, batch: ImportBatch) -> Any:
        return redirect(_next_step(batch))

    def _step(self, number: int, template: str, *, batch: ImportBatch, **values: Any) -> Any:
        return self.render_template(
            template,
            title=import_page.title(batch.kind),
            steps=import_page.STEPS,
            step=number,
            batch=batch,
            **values,
        )


UNDO_FIGURES = ("rows_deleted", "rows_kept", "rows_restored", "rows_left", "undone_by")


class ImportBatchView(ImportWizard):
    """The import batches: file, user, time and results."""

    model = ImportBatch
    base_permissions = [
        "can_list",
        "can_show",
        "can_progress",
        "can_upload",
        "can_errors",
        "can_template",
        "cancel",
        "begin_again",
        "undo",
    ]
    computed = {"remarks": import_page.remarks_on_page}
    list_title = lazy_gettext("Import batches")
    show_title = lazy_gettext("Import batch")
    about = lazy_gettext(
        "Files of leads, facts and outcomes that were imported, each of which can be undone."
    )
    empty_hint = lazy_gettext("No file has been imported yet. Import a lead list to begin.")
    list_columns = [
        "id",
        "kind",
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
    search_columns = ["file_name", "kind", "status", "created_by", "created_at"]
    filter_choices = {"kind": labels.BATCH_KIND, "status": labels.BATCH_STATUS}
    show_columns = [
        "kind",
        "file_name",
        "file_digest",
        "status",
        "rows_read",
        "rows_created",
        "rows_updated",
        "rows_existing",
        "rows_unmatched",
        "rejected",
        "remarks",
        *UNDO_FIGURES,
        "created_by",
        "created_at",
        "finished_at",
    ]
    label_columns = {
        "id": lazy_gettext("Batch"),
        "kind": lazy_gettext("Kind"),
        "file_name": lazy_gettext("File"),
        "file_digest": lazy_gettext("SHA-256"),
        "status": lazy_gettext("Status"),
        "rows_read": lazy_gettext("Rows read"),
        "rows_created": lazy_gettext("New"),
        "rows_updated": lazy_gettext("Updated"),
        "rows_existing": lazy_gettext("Already there"),
        "rows_unmatched": lazy_gettext("Not on the lead list"),
        "rows_rejected": lazy_gettext("Rejected rows"),
        "rejected": lazy_gettext("Rejected by reason"),
        "remarks": lazy_gettext("Omitted from imported rows"),
        "rows_deleted": lazy_gettext("Deleted by undo"),
        "rows_kept": lazy_gettext("Kept by undo"),
        "rows_restored": lazy_gettext("Old values restored by undo"),
        "rows_left": lazy_gettext("Later changes kept by undo"),
        "undone_by": lazy_gettext("Undone by"),
        "created_by": lazy_gettext("By"),
        "created_at": lazy_gettext("Started"),
        "finished_at": lazy_gettext("Finished"),
    }
    formatters_columns = {
        "kind": formats.label(labels.BATCH_KIND),
        "status": formats.tag(labels.BATCH_STATUS, "run"),
        "rejected": formats.reject_counts,
        "created_at": formats.when,
        "finished_at": formats.when,
        "file_digest": formats.code,
        **dict.fromkeys([name for name in label_columns if name.startswith("rows_")], formats.number),
    }

    def hidden_columns(self, item: ImportBatch) -> Collection[str]:
        """Return the figures that this batch has not: of an undo, and of other kinds of file."""
        unmatched = () if item.kind == "outcomes" else ("rows_unmatched",)
        return unmatched if item.status == BatchStatus.UNDONE else (*UNDO_FIGURES, *unmatched)

    def list_links(self) -> list[Link]:
        """Return the link to import a file."""
        return (
            [Link(_("Import leads"), url_for(".upload"), primary=True)]
            if may("can_upload", "ImportBatchView")
            else []
        )

    @expose("/errors/<row_id:pk>", methods=["GET"])
    @has_access
    def errors(self, pk: int) -> Any:
        """Download the rejected rows with the reasons."""
        batch = self._row(pk)
        suffix = Path(batch.error_file or "").suffix
        path = error_file_path(current_settings(), batch.id, suffix)
        if not batch.error_file or not path.is_file():
            abort(404, description=_("This batch has no file of rejected rows."))
        return send_file(path, as_attachment=True, download_name=f"import-errors-{batch.id}{suffix}")

    @action(
        "undo",
        lazy_gettext("Undo batch"),
        lazy_gettext(
            "Undo this batch? Leads that it created are deleted and old values of leads and facts are "
            "restored. Leads whose hits have been worked on are kept, and so are later edits."
        ),
        multiple=False,
    )
    def undo(self, item: ImportBatch) -> Any:
        """Undo the batch, in the background unless it is a small one of leads."""
        if item.kind != LEADS.name or item.rows_created + item.rows_updated > AT_ONCE:
            request_undo(db.engine, item.id, me())
            nudge("import", JOB, item.id)
        else:
            undone = undo_import(db.engine, item.id, me(), current_settings())
            flash(import_page.undo_summary(undone), "warning" if undone.left else "success")
        return redirect(url_for("ImportBatchView.show", pk=item.id))


def _first_step(batch: ImportBatch) -> str:
    views = {"suppressions": "SuppressionView", "outcomes": "OutcomeView", "facts": "FactView"}
    return url_for(f"{views.get(batch.kind, 'ImportBatchView')}.upload")


def _next_step(batch: ImportBatch) -> str:
    """Return the URL of the batch's current step."""
    if batch.status in (BatchStatus.READING, BatchStatus.PREPARED):
        return url_for("ImportBatchView.columns", pk=batch.id)
    if batch.status in (BatchStatus.CHECKING, BatchStatus.CHECKED):
        return url_for("ImportBatchView.review", pk=batch.id)
    return url_for("ImportBatchView.show", pk=batch.id)


def _posted_fields() -> dict[int, str]:
    """Return the posted fields by column position."""
    fields = {}
    for name, value in request.form.items():
        position = whole_number(name.removeprefix("column_"), 9999)
        if position is not None and name.startswith("column_"):
            fields[position] = value
    return fields
