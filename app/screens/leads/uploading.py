"""The first step of the import wizard: the upload of a file, beside how such a file is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import redirect, url_for
from flask_appbuilder import expose, has_access
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_wtf.file import FileField, FileRequired

from app.console import downloads
from app.console.access import me
from app.console.widgets import ConsoleFormWidget
from app.errors import DomainError
from app.jobs.nudges import nudge
from app.leads import uploads
from app.leads.kinds import FileKind
from app.lib.settings import current_settings
from app.models import BatchStatus, ImportBatch
from app.screens.leads import import_page

JOB = "app.jobs.imports.run"


def _allowed_files() -> str:
    most = current_settings().max_upload_mb
    return _("Excel (.xlsx, .xls), CSV or Parquet, at most %(most)s MB.", most=most)


class FileForm(DynamicForm):  # type: ignore[misc]
    """The form to upload a file."""

    file = FileField(
        lazy_gettext("File"),
        description=LazyString(_allowed_files),
        validators=[FileRequired(message=lazy_gettext("Choose a file."))],
    )


@dataclass(frozen=True)
class FileGuide:
    """What the page says of how a file is read: a heading and rules."""

    heading: Any
    rules: tuple[Any, ...]


class TakesFiles:
    """A screen that takes files of one kind: the upload, and a template with the headers that are known."""

    file_kind: FileKind
    file_guide: FileGuide
    file_form: type[DynamicForm] = FileForm
    template_name: str

    def file_options(self, form: Any) -> Mapping[str, Any] | None:
        """Return what the batch keeps of the form's other fields. Raises DomainError."""
        return None

    def template_header(self) -> Sequence[str]:
        """Return the headers of the template."""
        raise NotImplementedError

    @expose("/upload", methods=["GET", "POST"])
    @has_access
    def upload(self) -> Any:
        """Upload a file; the wizard goes on with its columns."""
        form = self.file_form()
        if form.validate_on_submit():
            try:
                options = self.file_options(form)
                batch = uploads.accept(form.file.data, user=me(), kind=self.file_kind, options=options)
            except DomainError as error:
                form.file.errors = [*form.file.errors, error.text()]
            else:
                return redirect_to_columns(batch)
        view: Any = self
        return view.render_template(
            "leads/upload.html",
            widget=ConsoleFormWidget(form=form, next=view._list_url(), submit=_("Upload")),
            title=import_page.title(self.file_kind.name),
            steps=import_page.STEPS,
            step=0,
            most=current_settings().max_upload_mb,
            guide=self.file_guide,
            template_url=url_for(f"{type(self).__name__}.template"),
        )

    @expose("/template", methods=["GET"])
    @has_access
    def template(self) -> Any:
        """Download an empty file with the headers that the import recognises."""
        return downloads.csv_download([self.template_header()], self.template_name)


def redirect_to_columns(batch: ImportBatch) -> Any:
    """Redirect to the columns of an uploaded file, and start the background reading of a large one."""
    if batch.status == BatchStatus.READING:
        nudge("import", JOB, batch.id)
    return redirect(url_for("ImportBatchView.columns", pk=batch.id))
