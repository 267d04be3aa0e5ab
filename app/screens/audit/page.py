"""Presentation of change log entries, of verifications and of exports."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import g, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup, escape
from sqlalchemy import select

from app import labels
from app.access.scope import visible_to
from app.audit.unsealed import oldest_transaction, unsealed
from app.audit_jobs import file_of
from app.console import formats
from app.console.access import may
from app.extensions import db
from app.leads import number_limit
from app.models import AuditJob, ChangeLog, ChangeSeal, Lead, RunStatus
from app.screens.audit import entries

#: leads shown of those who have a number
MAX_FOUND = 20
#: the first word of a job's name in an entry
JOB_NAME = {
    "ticker": lazy_gettext("Scheduled tasks"),
    "retention": lazy_gettext("Deleting expired data"),
    "facts": lazy_gettext("Deleting old facts and merging their files"),
    "control_group": lazy_gettext("Drawing the universal control group"),
    "run": lazy_gettext("T+1 run"),
    "import": lazy_gettext("Import"),
    "export": lazy_gettext("Export"),
    "bulk": lazy_gettext("Bulk change"),
    "backtest": lazy_gettext("Back-test"),
    "simulation": lazy_gettext("Simulation of a journey"),
    "audit": lazy_gettext("Verification or export"),
    "conversions": lazy_gettext("Counting conversions again"),
    "mails": lazy_gettext("Sending e-mails"),
    "weekly report": lazy_gettext("Weekly report"),
}
JOB_KIND = {"verify": lazy_gettext("Verification"), "export": lazy_gettext("Export with proof")}


def moment(entry: ChangeLog) -> str:
    """Return the local time of an entry to the millisecond."""
    return _exact(entry.time)


def _exact(time: dt.datetime) -> str:
    return labels.local(time).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _minute(time: dt.datetime) -> str:
    return f"{labels.local(time):%Y-%m-%d %H:%M}"


def origin(entry: ChangeLog) -> Markup:
    """Return the source of an entry with its network address or request; of a known job only its name."""
    source = labels.word(entries.SOURCE, entry.source)
    place = entry.address or request_of(entry)
    if entry.source == "job" and place != entry.request:
        return escape(place)
    return Markup('<span>{} <code class="plain">{}</code></span>').format(source, place)


def request_of(entry: ChangeLog) -> str:
    """Return the request, command or job of an entry; a job by the name of its step."""
    if entry.source != "job":
        return entry.request
    if entry.request in JOB_NAME:
        return str(JOB_NAME[entry.request])
    name, _space, key = entry.request.partition(" ")
    return f"{JOB_NAME[name]} #{key}" if name in JOB_NAME else entry.request


def row_count(number: int | None) -> Any:
    """Return the number of rows, empty where it was not counted."""
    return "" if number is None else formats.number(number)


def proof(entry: ChangeLog, link: Any | None) -> list[tuple[str, Any]]:
    """Return the place of an entry in the hash chain: transaction, link and hash."""
    facts: list[tuple[str, Any]] = [(_("Transaction"), formats.code(entry.xid))]
    if link is None:
        return [*facts, (_("Sealed"), _("not yet; within a few seconds"))]
    start = link.entries.index(entry.id) * 32
    return [
        *facts,
        (_("Sealed"), _("in link %(n)s", n=link.seq)),
        (_("Hash"), formats.code(bytes(link.hashes)[start : start + 32].hex())),
    ]


def chain_state() -> str:
    """Return the length of the chain, the time of its last link and what is not sealed yet."""
    last = db.session.execute(
        select(ChangeSeal.total, ChangeSeal.sealed_at).order_by(ChangeSeal.seq.desc()).limit(1)
    ).first()
    if last is None:
        return _("Nothing is sealed yet.")
    sealed = _(
        "%(n)s entries sealed, the last at %(time)s.", n=f"{last.total:,}", time=_minute(last.sealed_at)
    )
    return f"{sealed} {_unsealed_note()}".strip()


def _unsealed_note() -> str:
    """Return how many entries are not sealed yet and which transaction holds them up, empty for none."""
    connection = db.session.connection()
    left, held = unsealed(connection), oldest_transaction(connection)
    if left.since is None:
        return ""
    note = _(
        "The newest entries, %(n)s since %(time)s, are not sealed yet.",
        n=f"{left.entries:,}",
        time=_minute(left.since),
    )
    if held is None:
        return note
    # Messages inside f-strings are not extracted for translation.
    open_transaction = _("A transaction of %(who)s is still open.", who=held.session)
    return f"{note} {open_transaction}"


def found_by(entry: ChangeLog) -> Markup:
    """Return links to the leads whom a search by number means, of those the user may see."""
    query = number_limit.leads_searched_by(entry).where(visible_to(g.user, Lead))
    leads = db.session.scalars(query.limit(MAX_FOUND)).all()
    if not leads:
        return escape(_("Nobody on the list."))
    if not may("can_show", "LeadView"):
        return escape(" · ".join(lead.lead_no for lead in leads))
    link = Markup('<a href="{}">{}</a>')
    return Markup(" · ").join(
        link.format(url_for("LeadView.show", pk=lead.id), lead.lead_no) for lead in leads
    )


def progress_of(job: AuditJob) -> dict[str, Any]:
    """Return what the page of a job shows and polls."""
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
    """Return the result in a sentence, empty while there is none."""
    if job.status == RunStatus.FAILED:
        return str(job.error or "")
    verdict = _verdict(job)
    if job.status != RunStatus.DONE or verdict is None:
        return ""
    if not verdict["ok"]:
        return _("Altered since it was written: the first bad entry is %(n)s.", n=verdict["first_bad"] or "—")
    if job.kind == "verify":
        return _("Intact: all %(n)s entries are as they were written.", n=f"{verdict['entries']:,}")
    if file_of(job) is None:
        return _("The file was deleted after its retention period.")
    return _("%(rows)s rows, ready to download", rows=f"{job.rows_done:,}")


def chain_head(job: AuditJob) -> str:
    """Return the last hash of the chain at the time of verification, empty while there is none."""
    verdict = _verdict(job)
    return verdict["head"] if verdict else ""


def first_bad(job: AuditJob) -> int | None:
    """Return the id of the first entry that differs from what was written, None when all agree."""
    verdict = _verdict(job)
    return verdict["first_bad"] if verdict else None


def _verdict(job: AuditJob) -> Any | None:
    return (job.result or {}).get("chain") if job.kind == "export" else job.result
