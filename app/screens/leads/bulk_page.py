"""Bulk changes of leads as forms and text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from markupsafe import Markup

from app import labels
from app.bulk import Change
from app.console import formats
from app.console.urls import filtered
from app.extensions import db
from app.leads.tags import tag_of
from app.models import BulkJob, Lead, RunStatus


def change(form: Mapping[str, str]) -> Change:
    """Return the change that the posted form requests. Raises DomainError when the tag does not exist."""
    kind = form.get("kind", "")
    return Change(kind, tag_of(db.session, form.get("tag", "")) if kind in ("tag", "untag") else None)


def number_if_known(count: int | None) -> Any:
    """Format a count that is None until the job has finished."""
    return "" if count is None else formats.number(count)


def conditions(job: BulkJob) -> Any:
    """Return a link to the list that the change applies to."""
    text = _("The filtered list") if job.filters else _("The whole list")
    url = filtered(url_for("LeadView.list"), Lead, job.filters)
    return Markup('<a href="{}">{}</a>').format(url, text)


def summary(job: BulkJob) -> str:
    """Return the result of a finished change in one sentence."""
    counts = {"n": f"{job.changed or 0:,}", "rows": f"{job.rows:,}"}
    if job.kind == "delete":
        return _("%(n)s leads deleted.", **counts)
    if job.kind == "tag":
        return _("Added “%(tag)s” to %(n)s of %(rows)s leads.", tag=job.tag or "", **counts)
    return _("Removed “%(tag)s” from %(n)s of %(rows)s leads.", tag=job.tag or "", **counts)


def progress_of(job: BulkJob) -> dict[str, Any]:
    """Return the progress that the job's page shows and polls."""
    return {
        "status": job.status,
        "status_text": labels.word(labels.RUN_STATUS, job.status),
        "progress": job.progress,
        "summary": _status_text(job),
        "done": job.status not in (RunStatus.QUEUED, RunStatus.RUNNING),
    }


def _status_text(job: BulkJob) -> str:
    if job.status == RunStatus.FAILED:
        return str(job.error or "")
    if job.status == RunStatus.CANCELLED:
        return _("Cancelled; nothing was changed.")
    if job.status == RunStatus.DONE:
        return summary(job)
    if job.cancel_requested:
        return _("Cancelling …")
    return _("All changes take effect together at the end; you may close this page.")
