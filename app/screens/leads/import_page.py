"""Lead imports as a person sees them, step by step."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_appbuilder.forms import DynamicForm
from flask_babel import gettext as _
from flask_babel import gettext as translated
from flask_babel import lazy_gettext, ngettext
from flask_babel.speaklater import LazyString
from flask_wtf.file import FileField, FileRequired
from markupsafe import Markup

from app import labels
from app.console import formats
from app.errors import Said
from app.leads.errors import WITH_VALUE
from app.leads.matching import NOT_IMPORTED
from app.leads.preview import WARNINGS
from app.leads.undo import Undone
from app.lib import clock
from app.models import BatchStatus, ImportBatch

STEPS = (
    lazy_gettext("Choose the file"),
    lazy_gettext("Match the columns"),
    lazy_gettext("Check"),
    lazy_gettext("Import"),
)
_IDENTITY = {
    "phone": lazy_gettext("Phone"),
    "id_number": lazy_gettext("ID number"),
    "id_hash": lazy_gettext("ID hash (agreed with the provider)"),
}
#: by kind of file, the fields a column can be
FIELDS = {
    "leads": {
        NOT_IMPORTED: lazy_gettext("(not imported)"),
        "name": lazy_gettext("Customer name"),
        **_IDENTITY,
        "lead_no": lazy_gettext("Lead no."),
        "source": lazy_gettext("Source channel"),
        "branch": lazy_gettext("Branch"),
    },
    "suppressions": {
        NOT_IMPORTED: lazy_gettext("(not imported)"),
        **_IDENTITY,
        "reason": lazy_gettext("Reason"),
        "expires_on": lazy_gettext("Last day"),
    },
}
NEEDED = {
    "leads": lazy_gettext(
        "Choose what each column contains. Name, phone and ID number (or its hash) are "
        "required; phones and ID numbers are masked here."
    ),
    "suppressions": lazy_gettext(
        "Choose what each column contains. A phone or an ID number (or its hash) is "
        "required; both are masked here."
    ),
}
_PASSES = (BatchStatus.READING, BatchStatus.CHECKING, BatchStatus.RUNNING, BatchStatus.UNDOING)
_LETTERS = 26


def title(kind: str) -> str:
    """What the steps are called."""
    return _("Import leads") if kind == "leads" else _("Import a do-not-disturb file")


def _allowed_files() -> str:
    most = current_app.config["SETTINGS"].max_upload_mb
    return _("Excel (.xlsx, .xls) or CSV, at most %(most)s MB.", most=most)


class ImportForm(DynamicForm):  # type: ignore[misc]
    """A lead file to upload."""

    file = FileField(
        lazy_gettext("Lead file"),
        description=LazyString(_allowed_files),
        validators=[FileRequired(message=lazy_gettext("Choose a file."))],
    )


@dataclass(frozen=True)
class FileColumn:
    """A column of the uploaded file on the matching page."""

    position: int
    letter: str
    title: str
    samples: list[str]
    field: str
    error: str


def file_columns(batch: ImportBatch, chosen: dict[int, str], errors: dict[str, str]) -> list[FileColumn]:
    """The columns of the file with what was chosen for them, at first what their headers say."""
    preview = batch.preview or {"header": [], "rows": [], "columns": {}}
    known = batch.columns or preview["columns"]
    fields = chosen or {position: field for field, position in known.items()}
    return [
        FileColumn(
            position,
            _letter(position),
            title,
            [row[position] if position < len(row) else "" for row in preview["rows"]],
            fields.get(position, NOT_IMPORTED),
            errors.get(f"column_{position}", ""),
        )
        for position, title in enumerate(preview["header"])
    ]


def _letter(position: int) -> str:
    """The name a spreadsheet gives to a column."""
    above, letter = divmod(position, _LETTERS)
    return (_letter(above - 1) if above else "") + chr(ord("A") + letter)


def warnings(batch: ImportBatch) -> list[str]:
    """What may be wrong with the file, in sentences."""
    return [translated(WARNINGS[each]) for each in (batch.preview or {}).get("warnings", [])]


def figures(batch: ImportBatch) -> list[tuple[str, int]]:
    """What the dry run found, as labelled numbers."""
    found = batch.checked or {}
    rows = (_("Rows read"), found["read"])
    rest = [(_("Already there"), found["existing"]), (_("Rejected rows"), sum(found["rejected"].values()))]
    if batch.kind == "suppressions":
        return [rows, (_("New entries"), found["created"]), *rest]
    return [rows, (_("New leads"), found["created"]), (_("Updated"), found["updated"]), *rest]


def rejected(batch: ImportBatch) -> list[dict[str, Any]]:
    """The reasons for refusing rows with their counts and examples, the commonest first."""
    found = batch.checked or {}
    return [
        {
            "reason": labels.word(labels.REJECT_REASON, reason),
            "count": count,
            "examples": [_example(each) for each in found["examples"].get(reason, [])],
        }
        for reason, count in sorted(found["rejected"].items(), key=lambda pair: -pair[1])
    ]


def _example(kept: dict[str, Any]) -> dict[str, Any]:
    cells = kept["cells"]
    return {
        "row": kept["row"],
        "why": _why(kept),
        "name": cells.get("name", ""),
        "phone": cells.get("phone", ""),
        "identity": cells.get("id_number") or cells.get("id_hash", ""),
    }


def _why(kept: dict[str, Any]) -> str:
    why = Said.of_json(kept).text()
    value = kept.get("value", "")
    return translated(WITH_VALUE, why=why, value=value) if value else why


def remarks(batch: ImportBatch) -> list[str]:
    """What was, or after a dry run would be, left out of rows that come in, in sentences."""
    kept = (batch.checked or {}).get("remarks") or batch.remarks or {"count": 0, "first": []}
    told = [Said.of_json(each).text() for each in kept["first"]]
    more = kept["count"] - len(told)
    return [*told, _("and %(n)s more", n=f"{more:,}")] if more else told


def remarks_on_page(batch: ImportBatch) -> Any:
    """The remarks, a line each."""
    return formats.lines(Markup("{}").format(each) for each in remarks(batch))


def progress_of(batch: ImportBatch) -> dict[str, Any]:
    """What the batch's pages show and poll: the pass under way, or the end of the last one."""
    working = batch.status in _PASSES
    return {
        "status": batch.status,
        "status_text": labels.word(labels.BATCH_STATUS, batch.status),
        "progress": batch.progress if working else 100,
        "summary": batch_summary(batch),
        "done": not working,
        **_pace(batch, clock.now()),
    }


def _pace(batch: ImportBatch, now: dt.datetime) -> dict[str, Any]:
    """Rows done of about how many, rows a second, seconds left; None for what is not known."""
    rate = left = None
    if batch.status in _PASSES and batch.started_at and batch.rows_done:
        rate = round(batch.rows_done / max((now - batch.started_at).total_seconds(), 0.001))
        rest = max((batch.rows_total or 0) - batch.rows_done, 0)
        left = round(rest / rate) if batch.rows_total and rate else None
    found = {"rows": batch.rows_done, "total": batch.rows_total, "rate": rate, "seconds_left": left}
    return found | {"details": _details(found) if rate is not None else ""}


def _details(pace: dict[str, Any]) -> str:
    rows = _("%(done)s of about %(total)s rows", done=f"{pace['rows']:,}", total=f"{pace['total'] or 0:,}")
    written = _("all read, now being written")
    speed = _("%(rate)s rows a second", rate=f"{pace['rate']:,}")
    if pace["rows"] == pace["total"]:
        return f"{rows} · {written}"
    return f"{rows} · {speed} · {_time_left(pace['seconds_left'] or 0)}"


def _time_left(seconds: int) -> str:
    if seconds < 60:
        return ngettext("about %(num)s second left", "about %(num)s seconds left", max(seconds, 1))
    return ngettext("about %(num)s minute left", "about %(num)s minutes left", round(seconds / 60))


_DOING = {
    BatchStatus.READING: lazy_gettext("The file is being read; you may close this page."),
    BatchStatus.CHECKING: lazy_gettext("The rows are being checked; nothing is written."),
    BatchStatus.RUNNING: lazy_gettext("The rows are being read; you may close this page."),
}


def batch_summary(batch: ImportBatch) -> str:
    """Where the batch stands, or what became of the file's rows, in a line."""
    if batch.cancel_requested and batch.status in _PASSES:
        return _("Cancelling …")
    if batch.status == BatchStatus.UNDOING:
        return _("The import is being undone; you may close this page.")
    if batch.status in _PASSES and batch.started_at is None:
        return _("Waiting for the background worker; you may close this page.")
    if batch.status in _DOING:
        return str(_DOING[BatchStatus(batch.status)])
    if batch.status == BatchStatus.CANCELLED:
        return _("Cancelled; nothing in the file was imported.")
    if batch.error:
        return batch.error.text()
    return _done(batch)


def _done(batch: ImportBatch) -> str:
    counts = {
        name: f"{getattr(batch, f'rows_{name}'):,}"
        for name in ("read", "created", "updated", "existing", "rejected")
    }
    if batch.kind == "suppressions":
        return _(
            "%(read)s rows read: %(created)s entries added, %(existing)s already there, "
            "%(rejected)s rejected; %(updated)s leads changed.",
            **counts,
        )
    return _(
        "%(read)s rows read: %(created)s leads created, %(updated)s updated,"
        " %(existing)s already there, %(rejected)s rejected",
        **counts,
    )


def undo_summary(undone: Undone) -> str:
    """What an undo did, in a line or two."""
    said = [_("%(deleted)s leads deleted, %(kept)s kept.", deleted=undone.deleted, kept=undone.kept)]
    if undone.restored or undone.left:
        said.append(
            _(
                "Old values restored for %(restored)s leads; %(left)s left as they are.",
                restored=undone.restored,
                left=undone.left,
            )
        )
    return " ".join(said)
