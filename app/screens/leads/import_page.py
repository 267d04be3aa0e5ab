"""The pages of the import wizard: steps, fields, dry-run results, progress and summaries."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import gettext as translated
from flask_babel import lazy_gettext, ngettext
from markupsafe import Markup

from app import labels
from app.console import formats
from app.errors import Said
from app.facts import catalogue
from app.leads.errors import WITH_VALUE
from app.leads.matching import NOT_IMPORTED
from app.leads.preview import WARNINGS
from app.leads.undo import UndoResult
from app.lib import clock
from app.models import BatchStatus, ImportBatch
from app.segments.sentence import name_of

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
#: kind of file → fields that a column can be matched to
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
    "facts": {
        NOT_IMPORTED: lazy_gettext("(not imported)"),
        "lead_no": lazy_gettext("Lead no."),
        "id_number": _IDENTITY["id_number"],
        "id_hash": _IDENTITY["id_hash"],
        "as_of": lazy_gettext("True on"),
    },
    "outcomes": {
        NOT_IMPORTED: lazy_gettext("(not imported)"),
        "outcome_id": lazy_gettext("Outcome no."),
        "lead_no": lazy_gettext("Lead no."),
        "id_number": _IDENTITY["id_number"],
        "id_hash": _IDENTITY["id_hash"],
        "product": lazy_gettext("Product"),
        "date": lazy_gettext("Date"),
        "amount": lazy_gettext("Amount"),
        "margin": lazy_gettext("Margin"),
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
    "facts": lazy_gettext(
        "Choose what each column contains. A person (lead number, ID number or its hash) and at least one "
        "fact are required; ID numbers are masked here."
    ),
    "outcomes": lazy_gettext(
        "Choose what each column contains. Outcome number, product, date, amount and a person (lead number, "
        "ID number or its hash) are required; ID numbers are masked here."
    ),
}


def fields(kind: str) -> dict[str, Any]:
    """Return what a column of a kind of file can be matched to."""
    if kind != "facts":
        return FIELDS[kind]
    facts = {f"f{fact}": name_of(each) for fact, each in catalogue.definitions().items()}
    return FIELDS[kind] | facts


_PASSES = (BatchStatus.READING, BatchStatus.CHECKING, BatchStatus.RUNNING, BatchStatus.UNDOING)
#: statuses of a batch whose last pass went through
_ENDED = (BatchStatus.PREPARED, BatchStatus.CHECKED, BatchStatus.DONE, BatchStatus.UNDONE)
_LETTERS = 26


def title(kind: str) -> str:
    """Return the title of the wizard."""
    titles = {"leads": _("Import leads"), "facts": _("Import facts"), "outcomes": _("Import outcomes")}
    return titles.get(kind) or _("Import a do-not-disturb file")


@dataclass(frozen=True)
class FileColumn:
    """A column of the uploaded file on the matching page."""

    position: int
    letter: str
    title: str
    samples: list[str]
    field: str
    error: str


def file_columns(batch: ImportBatch, posted: dict[int, str], errors: dict[str, str]) -> list[FileColumn]:
    """Return the columns of the file with their posted fields, at first those that the headers suggest."""
    preview = batch.preview or {"header": [], "rows": [], "columns": {}}
    known = batch.columns or preview["columns"]
    fields = posted or {position: field for field, position in known.items()}
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
    """Return a column's name in a spreadsheet."""
    above, letter = divmod(position, _LETTERS)
    return (_letter(above - 1) if above else "") + chr(ord("A") + letter)


def warnings(batch: ImportBatch) -> list[str]:
    """Return the warnings about the file."""
    return [translated(WARNINGS[each]) for each in (batch.preview or {}).get("warnings", [])]


def figures(batch: ImportBatch) -> list[tuple[str, int]]:
    """Return the counts of the dry run with their labels."""
    counts = batch.checked or {}
    rows = (_("Rows read"), counts["read"])
    rest = [(_("Already there"), counts["existing"]), (_("Rejected rows"), sum(counts["rejected"].values()))]
    if batch.kind == "suppressions":
        return [rows, (_("New entries"), counts["created"]), *rest]
    if batch.kind == "facts":
        told = [(_("Values to be stored"), counts["created"]), (_("Unchanged values"), counts["existing"])]
        return [rows, *told, rest[1]]
    if batch.kind == "outcomes":
        told = [(_("New outcomes"), counts["created"]), (_("Corrected"), counts["updated"])]
        return [rows, *told, (_("Person not on the lead list"), counts["unmatched"]), *rest]
    return [rows, (_("New leads"), counts["created"]), (_("Updated"), counts["updated"]), *rest]


def rejected(batch: ImportBatch) -> list[dict[str, Any]]:
    """Return the reject reasons with counts and examples, most frequent first."""
    checked = batch.checked or {}
    return [
        {
            "reason": labels.word(labels.REJECT_REASON, reason),
            "count": count,
            "examples": [_example(each) for each in checked["examples"].get(reason, [])],
        }
        for reason, count in sorted(checked["rejected"].items(), key=lambda pair: -pair[1])
    ]


def _example(kept: dict[str, Any]) -> dict[str, Any]:
    cells = kept["cells"]
    return {
        "row": kept["row"],
        "why": _why(kept),
        "name": cells.get("name", ""),
        "phone": cells.get("phone", ""),
        "identity": cells.get("id_number") or cells.get("id_hash") or cells.get("lead_no", ""),
    }


def _why(kept: dict[str, Any]) -> str:
    why = Said.of_json(kept).text()
    value = kept.get("value", "")
    return translated(WITH_VALUE, why=why, value=value) if value else why


def remarks(batch: ImportBatch) -> list[str]:
    """Return remarks on cells that were, or after a dry run would be, omitted from imported rows."""
    kept = (batch.checked or {}).get("remarks") or batch.remarks or {"count": 0, "first": []}
    first = [Said.of_json(each).text() for each in kept["first"]]
    more = kept["count"] - len(first)
    return [*first, _("and %(n)s more", n=f"{more:,}")] if more else first


def remarks_on_page(batch: ImportBatch) -> Any:
    """Return the remarks as lines of HTML."""
    return formats.lines(Markup("{}").format(each) for each in remarks(batch))


def progress_of(batch: ImportBatch) -> dict[str, Any]:
    """Return the progress that the batch's pages show and poll: the current pass, or the last one's end."""
    working = batch.status in _PASSES
    return {
        "status": batch.status,
        "status_text": labels.word(labels.BATCH_STATUS, batch.status),
        "progress": 100 if batch.status in _ENDED else batch.progress,
        "summary": batch_summary(batch),
        "done": not working,
        **_pace(batch, clock.now()),
    }


def _pace(batch: ImportBatch, now: dt.datetime) -> dict[str, Any]:
    """Return rows done, estimated total, rows per second and seconds left; None for what is unknown."""
    rate = left = None
    if batch.status in _PASSES and batch.started_at and batch.rows_done:
        rate = round(batch.rows_done / max((now - batch.started_at).total_seconds(), 0.001))
        rest = max((batch.rows_total or 0) - batch.rows_done, 0)
        left = round(rest / rate) if batch.rows_total and rate else None
    pace = {"rows": batch.rows_done, "total": batch.rows_total, "rate": rate, "seconds_left": left}
    return pace | {"details": _details(pace) if rate is not None else ""}


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


_PASS_TEXT = {
    BatchStatus.READING: lazy_gettext("The file is being read; you may close this page."),
    BatchStatus.CHECKING: lazy_gettext("The rows are being checked; nothing is written."),
    BatchStatus.RUNNING: lazy_gettext("The rows are being read; you may close this page."),
}


def batch_summary(batch: ImportBatch) -> str:
    """Return the status of the batch, or the result of a finished import, in one sentence."""
    if batch.cancel_requested and batch.status in _PASSES:
        return _("Cancelling …")
    if batch.status == BatchStatus.UNDOING:
        return _("The import is being undone; you may close this page.")
    if batch.status in _PASSES and batch.started_at is None:
        return _("Waiting for the background worker; you may close this page.")
    if batch.status in _PASS_TEXT:
        return str(_PASS_TEXT[BatchStatus(batch.status)])
    if batch.status == BatchStatus.CANCELLED:
        return _("Cancelled; nothing in the file was imported.")
    if batch.error:
        return batch.error.text()
    return _result(batch)


def _result(batch: ImportBatch) -> str:
    counts = {
        name: f"{getattr(batch, f'rows_{name}'):,}"
        for name in ("read", "created", "updated", "existing", "rejected", "unmatched")
    }
    if batch.kind == "suppressions":
        return _(
            "%(read)s rows read: %(created)s entries added, %(existing)s already there, "
            "%(rejected)s rejected; %(updated)s leads changed.",
            **counts,
        )
    if batch.kind == "outcomes":
        return _(
            "%(read)s rows read: %(created)s outcomes created, %(updated)s corrected, %(existing)s already "
            "there, %(unmatched)s about people who are not on the lead list, %(rejected)s rejected.",
            **counts,
        )
    if batch.kind == "facts":
        return _facts_result(batch, counts)
    return _(
        "%(read)s rows read: %(created)s leads created, %(updated)s updated,"
        " %(existing)s already there, %(rejected)s rejected",
        **counts,
    )


def _facts_result(batch: ImportBatch, counts: dict[str, str]) -> str:
    if batch.status == BatchStatus.UNDONE:
        return _("%(n)s values removed; the former ones count again.", n=f"{batch.rows_deleted:,}")
    sentences = [
        _(
            "%(read)s rows read: %(created)s values stored, %(existing)s unchanged, "
            "%(rejected)s rows rejected.",
            **counts,
        )
    ]
    if batch.options.get("backfill"):
        sentences.append(_("A backfill: the values count as known on their dates."))
    return " ".join(sentences)


def undo_summary(undone: UndoResult) -> str:
    """Return the result of an undo in one or two sentences."""
    sentences = [_("%(deleted)s leads deleted, %(kept)s kept.", deleted=undone.deleted, kept=undone.kept)]
    if undone.restored or undone.left:
        sentences.append(
            _(
                "Old values restored for %(restored)s leads; %(left)s left as they are.",
                restored=undone.restored,
                left=undone.left,
            )
        )
    return " ".join(sentences)
