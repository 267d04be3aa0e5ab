"""Retention: data past its retention period is deleted. Every step is safe to repeat and to interrupt."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sqlalchemy import Engine, delete, func, select, update

from app import audit_jobs
from app.access import sessions
from app.activity import store
from app.exports.files import PART, SCRATCH
from app.facts import subject as fact_subject
from app.leads.error_file import remove_error_file
from app.models import (
    Delivery,
    DeliveryStatus,
    ExportJob,
    Hit,
    ImportBatch,
    JourneySimulation,
    Lead,
    LeadBefore,
    Mail,
    MailKind,
    Outcome,
    Reminder,
    Reveal,
)
from config import Settings

LEADS_PER_TRANSACTION = 2000
#: days after which reminders and their mails are deleted
REMINDER_DAYS = 90


def run(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Delete everything past its retention period. Return the numbers of deleted items by kind."""
    facts = {"facts": fact_subject.purge(engine, settings)}
    return {**personal_data(engine, settings, now), **facts, **activity(settings, now)}


def personal_data(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Delete old personal data: purged leads, former values, error files, exports, messages and sessions."""
    files_before = now - dt.timedelta(days=settings.exports_keep_days)
    purge_before = now - dt.timedelta(days=settings.leads_purge_days)
    return {
        **purge_leads(engine, purge_before),
        "old_values": _purge_old_values(engine, purge_before),
        "error_files": _purge_error_files(engine, settings, files_before),
        "exports": _purge_exports(engine, settings, files_before),
        "simulations": _purge_simulations(engine, settings, files_before),
        **_purge_messages(engine, settings, now),
        "sessions": _purge_sessions(engine, settings),
        "outcomes": _purge_outcomes(engine, settings, now),
    }


def _purge_outcomes(engine: Engine, settings: Settings, now: dt.datetime) -> int:
    oldest = settings.today(now) - dt.timedelta(days=settings.outcomes_retention_days)
    with engine.begin() as connection:
        return connection.execute(delete(Outcome).where(Outcome.on_date < oldest)).rowcount


def _purge_sessions(engine: Engine, settings: Settings) -> int:
    with engine.begin() as connection:
        return sessions.purge(connection, settings)


def purge_leads(engine: Engine, before: dt.datetime) -> dict[str, int]:
    """Erase the leads deleted before a moment, with their hits and reveals. Return the numbers of each."""
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


def _purge_old_values(engine: Engine, before: dt.datetime) -> int:
    """Delete the former values of leads kept for the undo of imports that ended before a moment."""
    due = select(ImportBatch.id).where(ImportBatch.finished_at < before, ImportBatch.rows_updated > 0)
    with engine.begin() as connection:
        return connection.execute(delete(LeadBefore).where(LeadBefore.batch_id.in_(due))).rowcount


def _purge_messages(engine: Engine, settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Delete old reminders and their mails, and old deliveries with their attempts.

    The record of which hits were pushed is kept, because they would be pushed again without it.
    """
    old = now - dt.timedelta(days=settings.events_retention_days)
    ended = Delivery.status.in_([DeliveryStatus.SENT, DeliveryStatus.DEAD, DeliveryStatus.CANCELLED])
    reminded_before = now - dt.timedelta(days=REMINDER_DAYS)
    with engine.begin() as connection:
        return {
            "deliveries": connection.execute(delete(Delivery).where(ended, Delivery.done_at < old)).rowcount,
            "reminders": connection.execute(
                delete(Reminder).where(Reminder.created_at < reminded_before)
            ).rowcount,
            "reminder_mails": connection.execute(
                delete(Mail).where(Mail.kind == MailKind.REMINDERS, Mail.created_at < reminded_before)
            ).rowcount,
        }


def activity(settings: Settings, now: dt.datetime) -> dict[str, int]:
    """Delete events, rejected rows, and delivered and refused log files past EVENTS_RETENTION_DAYS."""
    oldest = settings.today(now) - dt.timedelta(days=settings.events_retention_days)
    root = settings.data_dir / "activity"
    days = store.drop_days_before(root, oldest) if root.is_dir() else 0
    before = now - dt.timedelta(days=settings.events_retention_days)
    files = [
        path
        for name in ("quarantine", "delivered")
        for path in _files_before(settings.data_dir / name, before)
    ]
    for path in files:
        path.unlink(missing_ok=True)
    return {"event_days": days, "log_files": len(files)}


def _purge_error_files(engine: Engine, settings: Settings, before: dt.datetime) -> int:
    """Delete the error files of imports that ended before a moment, and take them off their batches."""
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


def _purge_exports(engine: Engine, settings: Settings, before: dt.datetime) -> int:
    """Delete the files of exports that ended before a moment, and leftovers of exports that were killed."""
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
    for path in _files_before(audit_jobs.folder(settings), before):
        path.unlink(missing_ok=True)
    for path in _files_before(folder, before):
        if path.suffix == PART or path.parent.name.startswith(SCRATCH):
            path.unlink(missing_ok=True)
    return len(rows)


def _purge_simulations(engine: Engine, settings: Settings, before: dt.datetime) -> int:
    """Delete the files of simulations that ended before a moment; their figures are kept."""
    due = update(JourneySimulation).where(
        JourneySimulation.file.is_not(None), JourneySimulation.finished_at < before
    )
    with engine.begin() as connection:
        count = connection.execute(due.values(file=None)).rowcount
    for path in _files_before(settings.data_dir / "simulations", before):
        path.unlink(missing_ok=True)
    return count


def _files_before(folder: Path, before: dt.datetime) -> list[Path]:
    """Return the files under a folder that were last written before a moment."""
    limit = before.timestamp()
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_mtime < limit]
