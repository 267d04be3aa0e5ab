"""Bulk changes of leads as a person sees them."""

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
    """What the posted form asks for. Raises DomainError."""
    kind = form.get("kind", "")
    return Change(kind, tag_of(db.session, form.get("tag", "")) if kind in ("tag", "untag") else None)


def number_if_known(count: int | None) -> Any:
    """A number that is known in the end only."""
    return "" if count is None else formats.number(count)


def conditions(job: BulkJob) -> Any:
    """The list that the change is about, as a link to it."""
    text = _("The filtered list") if job.filters else _("The whole list")
    url = filtered(url_for("LeadView.list"), Lead, job.filters)
    return Markup('<a href="{}">{}</a>').format(url, text)


def summary(job: BulkJob) -> str:
    """What became of the change, in a line."""
    counts = {"n": f"{job.changed or 0:,}", "rows": f"{job.rows:,}"}
    if job.kind == "delete":
        return _("%(n)s leads deleted.", **counts)
    if job.kind == "tag":
        return _("Added “%(tag)s” to %(n)s of %(rows)s leads.", tag=job.tag or "", **counts)
    return _("Removed “%(tag)s” from %(n)s of %(rows)s leads.", tag=job.tag or "", **counts)


def progress_of(job: BulkJob) -> dict[str, Any]:
    """What the change's page shows and polls."""
    return {
        "status": job.status,
        "status_text": labels.word(labels.RUN_STATUS, job.status),
        "progress": job.progress,
        "summary": _state(job),
        "done": job.status not in (RunStatus.QUEUED, RunStatus.RUNNING),
    }


def _state(job: BulkJob) -> str:
    if job.status == RunStatus.FAILED:
        return str(job.error or "")
    if job.status == RunStatus.CANCELLED:
        return _("Cancelled; nothing was changed.")
    if job.status == RunStatus.DONE:
        return summary(job)
    if job.cancel_requested:
        return _("Cancelling …")
    return _("All changes take effect together at the end; you may close this page.")
