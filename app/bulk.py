"""Bulk changes of leads: requested on the lead list, done at once or by a worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, Table, func, insert, select, text, update
from sqlalchemy.orm import Query

from app.access.rights import holds
from app.errors import N_, DomainError
from app.extensions import db
from app.jobs.leases import Held, LeaseLost, check_attempts
from app.jobs.requested import OPEN, JobTable, recording_failure
from app.lib.database import connection_lost
from app.models import BulkJob, Lead, RunStatus, Staff, Tag
from app.selection import Selection

VIEW = "LeadView"
#: kind of change → permission on the lead list
PERMISSION = {"tag": "tag", "untag": "untag", "delete": "delete_many"}
#: changes of more leads run in the background
AT_ONCE = 1_000
JOBS = JobTable(BulkJob, "app.jobs.bulk.run")
_CHUNK_ROWS = 10_000
_INTERRUPTED = N_("The change was interrupted (%(kind)s). Nothing was changed.")
_GIVEN_UP = N_("Given up: the worker was interrupted %(n)s times at this. Nothing was changed.")
_STATEMENTS = {
    "tag": text("""
        INSERT INTO lead_tag (lead_id, tag_id)
        SELECT lead_id, :tag FROM bulk_lead WHERE lead_id > :after AND lead_id <= :upto
        ON CONFLICT DO NOTHING
    """),
    "untag": text("""
        DELETE FROM lead_tag USING bulk_lead AS selected
        WHERE selected.lead_id = lead_tag.lead_id AND tag_id = :tag
          AND selected.lead_id > :after AND selected.lead_id <= :upto
    """),
    "delete": text("""
        UPDATE lead SET deleted_at = app_now(now()), updated_at = app_now(now()) FROM bulk_lead AS selected
        WHERE selected.lead_id = lead.id AND deleted_at IS NULL
          AND selected.lead_id > :after AND selected.lead_id <= :upto
    """),
}
_UPTO = text("""
    SELECT max(lead_id) FROM (
        SELECT lead_id FROM bulk_lead WHERE lead_id > :after ORDER BY lead_id LIMIT :most) AS chunk
""")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """A change of leads: ``tag`` or ``untag`` with a tag, or ``delete``."""

    kind: str
    tag: Tag | None = None


def ask(change: Change, leads: Selection, expected: int) -> BulkJob:
    """Request a change of all selected leads and commit. Return the job.

    Up to AT_ONCE ``expected`` leads are changed before this returns. Leads created later are not changed.
    Raises DomainError for an invalid change, and for a deletion without any filter.
    """
    if change.kind not in PERMISSION or (change.tag is None) != (change.kind == "delete"):
        raise DomainError("Choose what to do.")
    if change.kind == "delete" and not leads.filters:
        raise DomainError("Filter the list first: deleting all leads at once is not possible here.")
    job = BulkJob(
        kind=change.kind,
        tag_id=change.tag.id if change.tag else None,
        filters=leads.as_json(),
        requested_by=leads.user.username,
        rows=expected,
    )
    db.session.add(job)
    db.session.commit()
    if expected <= AT_ONCE:
        work_on(job.id)
        db.session.refresh(job)
    else:
        JOBS.nudge(job.id)
    return job


def cancel(job: BulkJob) -> None:
    """Ask a running change to stop, which undoes all of it, and commit.

    Raises DomainError when it has ended.
    """
    asked = db.session.execute(
        update(BulkJob)
        .where(BulkJob.id == job.id, BulkJob.status.in_(OPEN))
        .values(cancel_requested=True)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if not asked.rowcount:
        raise DomainError("This change has ended and can't be cancelled.")


def work_on(job_id: int) -> None:
    """Carry out a waiting change. Do nothing when another worker has it or it has ended."""
    with JOBS.owned(job_id) as owned:
        if owned is None:
            return
        job, held = owned
        try:
            with recording_failure(held, owned.fail, _INTERRUPTED):
                check_attempts(job.attempts, _GIVEN_UP)
                _change(job, held)
        except Exception as error:
            if connection_lost(error):
                raise
            log.exception("bulk change %s failed", job_id)


def _change(job: BulkJob, held: Held) -> None:
    """Change the leads in one transaction, with the rights of the user who requested it."""
    user = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
    if user is None or not holds(user, PERMISSION[job.kind], VIEW):
        raise DomainError("Whoever asked for this may not change leads any more.")
    if job.kind != "delete" and job.tag_id is None:
        raise DomainError("The tag was deleted meanwhile.")
    kind, tag = job.kind, job.tag_id
    leads = Selection.of_json(Lead, job.filters, user).query()
    total = _select_leads(leads.filter(Lead.created_at <= job.created_at))
    changed = _in_chunks(_STATEMENTS[kind], tag, total, lambda percent: _report(held, percent))
    done = {"status": RunStatus.DONE, "progress": 100, "rows": total, "changed": changed}
    # One transaction: nothing is changed when another worker has taken over the job.
    held.end(db.session.connection(), **done)
    db.session.commit()


def _select_leads(leads: Query[Any]) -> int:
    """Copy the ids of the leads into a temporary table of the transaction. Return their number."""
    table = Table(
        "bulk_lead",
        MetaData(),
        Column("lead_id", BigInteger, primary_key=True),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    connection = db.session.connection()
    table.create(connection)
    keys: Any = leads.with_entities(Lead.id).order_by(None).statement
    connection.execute(insert(table).from_select(["lead_id"], keys))
    connection.exec_driver_sql("ANALYZE bulk_lead")
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _in_chunks(statement: Any, tag: int | None, total: int, report: Callable[[int], None]) -> int:
    after = done = changed = 0
    while upto := db.session.scalar(_UPTO, {"after": after, "most": _CHUNK_ROWS}):
        values = {"after": after, "upto": upto} | ({"tag": tag} if tag is not None else {})
        changed += db.session.execute(statement, values).rowcount
        after = upto
        done = min(done + _CHUNK_ROWS, total)
        report(min(99, done * 100 // max(total, 1)))
    return changed


def _report(held: Held, percent: int) -> None:
    """Store the progress. When a cancellation was requested, end the job and raise LeaseLost."""
    held.write(progress=percent)
    if db.session.scalar(select(BulkJob.cancel_requested).where(BulkJob.id == held.id)):
        db.session.rollback()
        held.end(status=RunStatus.CANCELLED)
        raise LeaseLost("cancelled")
