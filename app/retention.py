"""Retention: what is older than it may be kept is deleted. Every step is safe to repeat and to interrupt."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sqlalchemy import Engine, delete, func, select, update

from app import audit_jobs
from app.access import sessions
from app.activity import store
from app.exports.files import PART, SCRATCH
from app.leads.error_file import remove_error_file
from app.models import (
    Delivery,
    DeliveryStatus,
    ExportJob,
    Hit,
    ImportBatch,
    Lead,
    LeadBefore,
    Mail,
    MailKind,
    Reminder,
    Reveal,
)
from config import Settings

LEADS_PER_TRANSACTION = 2000
#: a reminder that nobody opened for so long reminds of nothing
REMINDER_DAYS = 90


def run(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """All of retention; counts of what was deleted, by kind."""
    return {**personal_data(engine, settings, now), **activity(settings, now)}


def personal_data(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Purge leads deleted long ago with all that hangs on them; old values, error files and exports go."""
    kept_from = now - dt.timedelta(days=settings.exports_keep_days)
    purged_to = now - dt.timedelta(days=settings.leads_purge_days)
    return {
        **purge_leads(engine, purged_to),
        "old_values": _old_values(engine, purged_to),
        "error_files": _error_files(engine, settings, kept_from),
        "exports": _exports(engine, settings, kept_from),
        **_pushed(engine, settings, now),
        "sessions": _sessions(engine, settings),
    }


def _sessions(engine: Engine, settings: Settings) -> int:
    with engine.begin() as connection:
        return sessions.purge(connection, settings)


def purge_leads(engine: Engine, before: dt.datetime) -> dict[str, int]:
    """Erase the leads deleted before a moment, their hits and the records of looks at their numbers."""
    counts = {"leads": 0, "hits": 0, "reveals": 0}
    due = (
        select(Lead.id)
        .where(Lead.deleted_at < before)
        .order_by(Lead.id)
        .limit(LEADS_PER_TRANSACTION)
        .with_for_update(skip_locked=True)
    )
    while True:
        with engine.begin() as connection:
            ids = list(connection.scalars(due))
            if not ids:
                return counts
            counts["hits"] += connection.execute(delete(Hit).where(Hit.lead_id.in_(ids))).rowcount
            counts["reveals"] += connection.execute(delete(Reveal).where(Reveal.lead_id.in_(ids))).rowcount
            counts["leads"] += connection.execute(delete(Lead).where(Lead.id.in_(ids))).rowcount


def _old_values(engine: Engine, before: dt.datetime) -> int:
    """Delete what imports that ended before a moment kept of leads they changed."""
    due = select(ImportBatch.id).where(ImportBatch.finished_at < before, ImportBatch.rows_updated > 0)
    with engine.begin() as connection:
        return connection.execute(delete(LeadBefore).where(LeadBefore.batch_id.in_(due))).rowcount


def _pushed(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Delete old reminders and their mails, and old deliveries with their attempts.

    Which hits were pushed is kept: without it they would be pushed again.
    """
    old = now - dt.timedelta(days=settings.events_retention_days)
    over = Delivery.status.in_([DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.CANCELLED])
    seen = now - dt.timedelta(days=REMINDER_DAYS)
    with engine.begin() as connection:
        return {
            "deliveries": connection.execute(delete(Delivery).where(over, Delivery.done_at < old)).rowcount,
            "reminders": connection.execute(delete(Reminder).where(Reminder.created_at < seen)).rowcount,
            "reminder_mails": connection.execute(
                delete(Mail).where(Mail.kind == MailKind.REMINDERS, Mail.created_at < seen)
            ).rowcount,
        }


def activity(settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Forget events, rejected rows, and delivered and refused log files past EVENTS_RETENTION_DAYS."""
    oldest = settings.today(now) - dt.timedelta(days=settings.events_retention_days)
    root = settings.data_dir / "activity"
    days = store.drop_days_before(root, oldest) if root.is_dir() else 0
    before = now - dt.timedelta(days=settings.events_retention_days)
    files = [
        path for name in ("quarantine", "delivered") for path in _older(settings.data_dir / name, before)
    ]
    for path in files:
        path.unlink(missing_ok=True)
    return {"event_days": days, "log_files": len(files)}


def _error_files(engine: Engine, settings: Settings, before: dt.datetime) -> int:
    """Delete error files of imports that ended before a moment; the batch no longer offers one."""
    due = select(ImportBatch.id).where(
        ImportBatch.error_file.is_not(None),
        func.coalesce(ImportBatch.finished_at, ImportBatch.created_at) < before,
    )
    with engine.begin() as connection:
        ids = list(connection.scalars(due))
        for batch in ids:
            remove_error_file(settings, batch)
        connection.execute(update(ImportBatch).where(ImportBatch.id.in_(ids)).values(error_file=None))
    return len(ids)


def _exports(engine: Engine, settings: Settings, before: dt.datetime) -> int:
    """Delete the files of exports that ended before a moment, and what killed exports left."""
    folder = settings.data_dir / "exports"
    due = select(ExportJob.id, ExportJob.file).where(
        ExportJob.file.is_not(None), ExportJob.finished_at < before
    )
    with engine.begin() as connection:
        rows = connection.execute(due).all()
        for row in rows:
            (folder / row.file).unlink(missing_ok=True)
        ids = [row.id for row in rows]
        connection.execute(update(ExportJob).where(ExportJob.id.in_(ids)).values(file=None))
    for path in _older(audit_jobs.folder(settings), before):
        path.unlink(missing_ok=True)
    for path in _older(folder, before):
        if path.suffix == PART or path.parent.name.startswith(SCRATCH):
            path.unlink(missing_ok=True)
    return len(rows)


def _older(folder: Path, before: dt.datetime) -> list[Path]:
    """The files under a folder that were last written before a moment."""
    limit = before.timestamp()
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_mtime < limit]
