"""The change log, its verifications and exports as a person sees them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import select

from app import labels
from app.audit.unsealed import holder, unsealed
from app.audit_jobs import file_of
from app.console import formats
from app.console.urls import filtered
from app.extensions import db
from app.models import AuditJob, ChangeLog, ChangeSeal, RunStatus, SavedFilter
from app.screens.audit import entries

JOB_KIND = {"verify": lazy_gettext("Verification"), "export": lazy_gettext("Export with proof")}


def moment(entry: ChangeLog) -> str:
    """The time of an entry to the thousandth of a second, local."""
    return _exact(entry.time)


def _exact(time: dt.datetime) -> str:
    return labels.local(time).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def origin(entry: ChangeLog) -> Markup:
    """By what way and from what address."""
    way = labels.word(entries.SOURCE, entry.source)
    return Markup('<span>{} <code class="plain">{}</code></span>').format(way, entry.address or entry.request)


def rows(number: int | None) -> Any:
    """How many rows; nothing where nobody counted."""
    return "" if number is None else formats.number(number)


def proof(entry: ChangeLog, link: Any | None) -> list[tuple[str, Any]]:
    """Where an entry stands in the chain: transaction, link, hash."""
    facts: list[tuple[str, Any]] = [(_("Transaction"), formats.code(entry.xid))]
    if link is None:
        return [*facts, (_("Sealed"), _("not yet; the next seconds will"))]
    place = link.entries.index(entry.id) * 32
    return [
        *facts,
        (_("Sealed"), _("in link %(n)s", n=link.seq)),
        (_("Hash"), formats.code(bytes(link.hashes)[place : place + 32].hex())),
    ]


def state_of_chain() -> str:
    """How long the chain is and when it last grew."""
    last = db.session.execute(
        select(ChangeSeal.total, ChangeSeal.sealed_at).order_by(ChangeSeal.seq.desc()).limit(1)
    ).first()
    if last is None:
        return _("Nothing is sealed yet.")
    said = _("%(n)s entries sealed, the last at %(time)s", n=f"{last.total:,}", time=_exact(last.sealed_at))
    return f"{said} {_left()}".strip()


def _left() -> str:
    """How many entries wait to be sealed, and for whom; empty when none does."""
    connection = db.session.connection()
    left, held = unsealed(connection), holder(connection)
    if left.since is None:
        return ""
    said = _(
        "The newest entries, %(n)s since %(time)s, are not sealed yet.",
        n=f"{left.entries:,}",
        time=_exact(left.since),
    )
    return f"{said} {_('A transaction of %(who)s is still open.', who=held.whose)}" if held else said


def progress_of(job: AuditJob) -> dict[str, Any]:
    """What a job's page shows and polls."""
    return {
        "status": job.status,
        "status_text": labels.word(labels.RUN_STATUS, job.status),
        "progress": job.progress,
        "summary": outcome(job) or _("You may close this page."),
        "details": _details(job),
        "done": job.status in (RunStatus.DONE, RunStatus.FAILED),
    }


def _details(job: AuditJob) -> str:
    if job.status != RunStatus.RUNNING or not job.rows_total:
        return ""
    return _("%(done)s of %(total)s entries", done=f"{job.rows_done:,}", total=f"{job.rows_total:,}")


def outcome(job: AuditJob) -> str:
    """The result in a sentence; empty before there is one."""
    if job.status == RunStatus.FAILED:
        return str(job.error or "")
    verdict = _verdict(job)
    if job.status != RunStatus.DONE or verdict is None:
        return ""
    if not verdict["ok"]:
        return _("Not as it was written: the first bad entry is %(n)s.", n=verdict["first_bad"] or "—")
    if job.kind == "verify":
        return _("Whole: %(n)s entries are as they were written.", n=f"{verdict['entries']:,}")
    if file_of(job) is None:
        return _("The file was deleted when its time was over.")
    return _("%(rows)s rows, ready to download", rows=f"{job.rows_done:,}")


def head(job: AuditJob) -> str:
    """The hash at the end of the chain when it was verified."""
    verdict = _verdict(job)
    return verdict["head"] if verdict else ""


def first_bad(job: AuditJob) -> int | None:
    """The first entry that is not as it was written."""
    verdict = _verdict(job)
    return verdict["first_bad"] if verdict else None


def _verdict(job: AuditJob) -> Any | None:
    return (job.result or {}).get("chain") if job.kind == "export" else job.result


def saved_link(saved: SavedFilter) -> Markup:
    """A saved filter's name, which opens the list with it."""
    return Markup('<a href="{}">{}</a>').format(saved_url(saved), saved.name)


def saved_url(saved: SavedFilter) -> str:
    """Return the address of the list with a saved filter."""
    return filtered(url_for("ChangeLogView.list"), ChangeLog, saved.filters)
