"""What became of a correction of a log file, as its page shows it."""

from __future__ import annotations

from flask_babel import gettext as _
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
        _("Dates to evaluate again: %(days)s", days=labels.enumerated(result["days"]) or "–")
        if result
        else "",
        correction.error.text() if correction.error else "",
    ]


def _status(correction: LogCorrection) -> str:
    if correction.status == RunStatus.DONE:
        return _("Replaced") if correction.replacement else _("Withdrawn")
    return str(labels.word(labels.RUN_STATUS, correction.status))
