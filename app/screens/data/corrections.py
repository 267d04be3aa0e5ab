"""What became of a correction of a log file, as its page shows it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup

from app import labels
from app.console import formats, people
from app.models import IngestFile, LogCorrection, RunStatus
from app.t1 import corrections


def newest(file: IngestFile) -> Markup:
    """Return the newest correction of a file: its state, who wanted it and why, and its result."""
    correction = corrections.newest(file)
    if correction is None:
        return Markup("")
    return formats.lines(Markup("{}").format(line) for line in _lines(correction) if line)


def state_of(file: IngestFile) -> dict[str, Any]:
    """Return what the page of a file shows and polls while its correction is under way."""
    correction = corrections.newest(file)
    status = correction.status if correction else RunStatus.DONE
    word = labels.word(labels.RUN_STATUS, status)
    return {
        "status": status,
        "status_text": word,
        "progress": correction.progress if correction else 100,
        "summary": _("Correction"),
        "done": status not in (RunStatus.QUEUED, RunStatus.RUNNING),
    }


def of_old(file: IngestFile) -> list[tuple[str, Any]]:
    """Return what the form says of the file that is to be replaced."""
    return [
        (_("Log file"), file.name),
        (_("Calls that count"), f"{file.accepted:,}"),
        (_("With calls of"), _ranges(sorted(file.days))),
    ]


def expected(file: IngestFile, name: str, outlook: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what a replacement would change."""
    rejected = formats.reject_counts(outlook["rejected"]) if outlook["rejected"] else ""
    return [
        (_("Log file"), file.name),
        (_("Replaced by"), name),
        (_("Calls that no longer count"), f"{outlook['withdrawn']:,}"),
        (_("Rows of the new file"), f"{outlook['rows']:,}"),
        (
            _("Calls that count instead"),
            _("up to %(n)s; those that other files have are duplicates", n=f"{outlook['usable']:,}"),
        ),
        *([(_("Rejected by reason"), rejected)] if rejected else []),
        (_("Dates of both files"), _ranges(outlook["days"])),
        (_("Dates to evaluate again afterwards"), _ranges(outlook["evaluated"])),
    ]


def _ranges(days: list[str]) -> str:
    """Return ascending dates as text, those that follow each other as a range."""
    found: list[list[dt.date]] = []
    for day in map(dt.date.fromisoformat, days):
        if found and day - found[-1][-1] == dt.timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    parts = (f"{each[0]} – {each[-1]}" if len(each) > 2 else labels.enumerated(each) for each in found)
    return labels.enumerated(parts) or "–"


def _lines(correction: LogCorrection) -> list[str]:
    by = people.shown(correction.requested_by)
    result = correction.result or {}
    return [
        _("%(status)s · requested by %(person)s", status=_status(correction), person=by),
        _("Reason: %(reason)s", reason=correction.reason),
        _("Replaced by %(file)s", file=correction.replacement) if correction.replacement else "",
        _("Approved by %(person)s", person=people.shown(correction.approved_by))
        if correction.approved_by
        else "",
        _("Applied by the operator without a second person") if correction.by_command else "",
        _("%(n)s calls no longer count, %(m)s count instead", n=result["withdrawn"], m=result["accepted"])
        if result
        else "",
        _("Dates to evaluate again: %(days)s", days=_ranges(result["days"])) if result else "",
        ngettext(
            "%(num)s hit no longer held and was withdrawn",
            "%(num)s hits no longer held and were withdrawn",
            correction.hits,
        )
        if correction.judged_at or correction.hits
        else "",
        correction.error.text() if correction.error else "",
    ]


def _status(correction: LogCorrection) -> str:
    if correction.status == RunStatus.DONE:
        return _("Replaced") if correction.replacement else _("Withdrawn")
    return str(labels.word(labels.RUN_STATUS, correction.status))
