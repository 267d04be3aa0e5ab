"""Bulk changes of leads by filter: asked for on the lead list, done at once or by a worker."""

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
from app.jobs.table import OPEN, JobTable, recording_failure
from app.lib.database import connection_lost
from app.models import BulkJob, Lead, RunStatus, Staff, Tag
from app.selection import Selection

VIEW = "LeadView"
#: what can be done, and the permission on the lead list that it needs
PERMISSION = {"tag": "tag", "untag": "untag", "delete": "delete_many"}
#: a change of more leads is a worker's
AT_ONCE = 1_000
JOBS = JobTable(BulkJob, "app.jobs.bulk.run")
_CHUNK = 10_000
_BROKEN = N_("The change was interrupted (%(kind)s). Nothing was changed.")
_GIVEN_UP = N_("Given up: the worker was interrupted %(n)s times at this. Nothing was changed.")
_STATEMENTS = {
    "tag": text("""
        INSERT INTO lead_tag (lead_id, tag_id)
        SELECT lead_id, :tag FROM bulk_lead WHERE lead_id > :after AND lead_id <= :upto
        ON CONFLICT DO NOTHING
    """),
    "untag": text("""
        DELETE FROM lead_tag USING bulk_lead AS chosen
        WHERE chosen.lead_id = lead_tag.lead_id AND tag_id = :tag
          AND chosen.lead_id > :after AND chosen.lead_id <= :upto
    """),
    "delete": text("""
        UPDATE lead SET deleted_at = now(), updated_at = now() FROM bulk_lead AS chosen
        WHERE chosen.lead_id = lead.id AND deleted_at IS NULL
          AND chosen.lead_id > :after AND chosen.lead_id <= :upto
    """),
}
_UPTO = text("""
    SELECT max(lead_id) FROM (
        SELECT lead_id FROM bulk_lead WHERE lead_id > :after ORDER BY lead_id LIMIT :most) AS chunk
""")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """What is to be done: ``tag`` or ``untag`` with a tag, or ``delete``."""

    kind: str
    tag: Tag | None = None


def ask(change: Change, leads: Selection, expected: int) -> BulkJob:
    """Ask for a change of all leads that a person selected, ``expected`` many. Commits.

    Up to AT_ONCE leads are changed before this returns. Leads that join the list later are left alone.
    Raises DomainError for a change that is none, and to delete without any filter.
    """
    if change.kind not in PERMISSION or (change.tag is None) != (change.kind == "delete"):
        raise DomainError("Choose what to do.")
    if change.kind == "delete" and not leads.filters:
        raise DomainError("Filter the list first: all leads at once can't be deleted here.")
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
    """Stop a change that is not over; nothing of it stays. Commits. Raises DomainError when it is over."""
    asked = db.session.execute(
        update(BulkJob)
        .where(BulkJob.id == job.id, BulkJob.status.in_(OPEN))
        .values(cancel_requested=True)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if not asked.rowcount:
        raise DomainError("This change is over and can't be cancelled.")


def work_on(job_id: int) -> None:
    """Make a change that waits; nothing when another worker does, or it is over."""
    with JOBS.owned(job_id) as owned:
        if owned is None:
            return
        job, held = owned
        try:
            with recording_failure(held, owned.fail, _BROKEN):
                check_attempts(job.attempts, _GIVEN_UP)
                _change(job, held)
        except Exception as error:
            if connection_lost(error):
                raise
            log.exception("bulk change %s failed", job_id)


def _change(job: BulkJob, held: Held) -> None:
    """All of it in one transaction of the session, in the name of who asked."""
    person = db.session.scalar(select(Staff).where(Staff.username == job.requested_by))
    if person is None or not holds(person, PERMISSION[job.kind], VIEW):
        raise DomainError("Whoever asked for this may not change leads any more.")
    if job.kind != "delete" and job.tag_id is None:
        raise DomainError("The tag was deleted meanwhile.")
    kind, tag = job.kind, job.tag_id
    leads = Selection.of_json(Lead, job.filters, person).query()
    total = _choose(leads.filter(Lead.created_at <= job.created_at))
    changed = _in_chunks(_STATEMENTS[kind], tag, total, lambda percent: _report(held, percent))
    done = {"status": RunStatus.DONE, "progress": 100, "rows": total, "changed": changed}
    # The change and its end are one transaction, and nothing once another worker has the job.
    held.end(db.session.connection(), **done)
    db.session.commit()


def _choose(leads: Query[Any]) -> int:
    """Put the leads' ids into a temporary table of the transaction; how many."""
    chosen = Table(
        "bulk_lead",
        MetaData(),
        Column("lead_id", BigInteger, primary_key=True),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    connection = db.session.connection()
    chosen.create(connection)
    keys: Any = leads.with_entities(Lead.id).order_by(None).statement
    connection.execute(insert(chosen).from_select(["lead_id"], keys))
    connection.exec_driver_sql("ANALYZE bulk_lead")
    return connection.scalar(select(func.count()).select_from(chosen)) or 0


def _in_chunks(statement: Any, tag: int | None, total: int, report: Callable[[int], None]) -> int:
    after = done = changed = 0
    while upto := db.session.scalar(_UPTO, {"after": after, "most": _CHUNK}):
        values = {"after": after, "upto": upto} | ({"tag": tag} if tag is not None else {})
        changed += db.session.execute(statement, values).rowcount
        after = upto
        done = min(done + _CHUNK, total)
        report(min(99, done * 100 // max(total, 1)))
    return changed


def _report(held: Held, percent: int) -> None:
    """Say how far it is. When somebody wants it to stop, end it and raise LeaseLost."""
    held.write(progress=percent)
    if db.session.scalar(select(BulkJob.cancel_requested).where(BulkJob.id == held.id)):
        db.session.rollback()
        held.end(status=RunStatus.CANCELLED)
        raise LeaseLost("cancelled")
