"""Batches: chosen, checked, confirmed or approved, paused, cancelled. Sending is ``app.outreach.sending``."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from flask import current_app, g
from flask_babel import gettext as _
from sqlalchemy import CTE, case, delete, func, insert, literal, or_, select, text, update
from sqlalchemy.orm import Query
from werkzeug.exceptions import HTTPException

from app import approvals, labels
from app.access.rights import holds
from app.access.scope import hits_visible_to
from app.approvals import Change
from app.errors import DomainError
from app.exports.jobs import filtered, list_view
from app.extensions import db
from app.jobs import nudge
from app.models import (
    Approval,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    OutreachTemplateVersion,
    Staff,
)
from app.outreach import compliance, cost, gateways, settings
from app.outreach.compliance import DROPPED, Terms
from app.push import calendar

KIND = "outreach_batch"
BULK, SINGLE = ("can_contact_many", "HitView"), ("can_contact_one", "HitView")
#: candidates one batch has at most, and up to which the check is made while the person waits
MOST, AT_ONCE = 200_000, 2_000
PREPARE_LOCK = 7031
OPEN = (OutreachBatchStatus.RUNNING, OutreachBatchStatus.PAUSED)


def of_hits(version: OutreachTemplateVersion, hit_ids: list[int], by: Staff) -> OutreachBatch:
    """A batch for ticked hits, not yet checked. Commits. Raises DomainError for none or too many."""
    ids = sorted(set(hit_ids))
    _check_size(len(ids))
    return _create(version, {"ids": ids}, len(ids), by)


def of_filter(version: OutreachTemplateVersion, query: str, by: Staff) -> OutreachBatch:
    """A batch for the rows of the hit list with these address arguments, not yet checked. Commits.

    Raises DomainError for none or too many.
    """
    count = _count(_filtered(query, by))
    _check_size(count)
    return _create(version, {"query": query}, count, by)


def _create(
    version: OutreachTemplateVersion, selection: dict[str, Any], count: int, by: Staff
) -> OutreachBatch:
    batch = OutreachBatch(
        channel=version.template.channel,
        version_id=version.id,
        selection=selection,
        candidates=count,
        created_by=by.username,
        created_by_id=by.id,
    )
    db.session.add(batch)
    db.session.commit()
    return batch


def _check_size(count: int) -> None:
    if not count:
        raise DomainError("No hit was chosen.")
    if count > MOST:
        raise DomainError(
            "%(n)s hits were chosen; a batch has at most %(most)s.", n=f"{count:,}", most=f"{MOST:,}"
        )


def start_check(batch: OutreachBatch) -> None:
    """Check the batch now when it is small, else in the background."""
    if batch.candidates <= AT_ONCE:
        prepare(batch.id)
    else:
        nudge("outreach", "app.jobs.outreach.prepare", batch.id)


def prepare(batch_id: int) -> None:
    """Write a row for every candidate and judge it; does nothing when that is done or being done. Commits."""
    key = {"kind": PREPARE_LOCK, "batch": batch_id}
    if not db.session.scalar(text("SELECT pg_try_advisory_xact_lock(:kind, :batch)"), key):
        return
    batch = db.session.get(OutreachBatch, batch_id, populate_existing=True)
    if batch is None or batch.status != OutreachBatchStatus.CHECKING:
        return
    try:
        _fill(batch)
        judge(batch)
        batch.status = OutreachBatchStatus.CHECKED
        db.session.commit()
    except (DomainError, HTTPException) as error:
        db.session.rollback()
        said = error.text() if isinstance(error, DomainError) else str(error.description)
        batch = db.session.get_one(OutreachBatch, batch_id)
        batch.status, batch.error = OutreachBatchStatus.FAILED, said
        db.session.commit()


def _fill(batch: OutreachBatch) -> None:
    sender = sender_of(batch)
    chosen = _chosen(batch, sender)
    columns = ["batch_id", "version_id", "channel", "hit_id", "lead_id", "id_hash", "phone_index"]
    of_batch = (literal(batch.id), literal(batch.version_id), literal(batch.channel))
    rows = (
        select(*of_batch, Hit.id, Lead.id, Lead.id_hash, Lead.phone_index)
        .join(Lead, Lead.id == Hit.lead_id)
        .where(Hit.id.in_(chosen))
    )
    db.session.execute(delete(Outreach).where(Outreach.batch_id == batch.id))
    db.session.execute(insert(Outreach).from_select(columns, rows))
    batch.candidates = sum(by_status(batch).values())
    _check_size(batch.candidates)


def _chosen(batch: OutreachBatch, sender: Staff) -> Any:
    if "ids" in batch.selection:
        return select(Hit.id).where(Hit.id.in_(batch.selection["ids"]), hits_visible_to(sender))
    return _filtered(batch.selection["query"], sender).with_entities(Hit.id).order_by(None).scalar_subquery()


def _filtered(query: str, by: Staff) -> Query[Any]:
    """The hits of a list with these address arguments, as ``by`` would see them."""
    with current_app.test_request_context(f"/?{query}"):
        before = g.get("user")
        g.user = by
        g.pop("_list_filters_HitView", None)
        try:
            return filtered(list_view("HitView"))
        finally:
            g.pop("_list_filters_HitView", None)
            g.user = before


def _count(query: Query[Any]) -> int:
    return int(query.with_entities(func.count(Hit.id)).order_by(None).scalar() or 0)


def sender_of(batch: OutreachBatch) -> Staff:
    """Who sends. Raises DomainError when that person may not contact customers (any more)."""
    sender = db.session.get(Staff, batch.created_by_id) if batch.created_by_id else None
    if sender is None or not (holds(sender, *BULK) or (batch.candidates == 1 and holds(sender, *SINGLE))):
        raise DomainError("Whoever made this batch may not contact customers any more.")
    return sender


def terms_of(batch: OutreachBatch, now: dt.datetime) -> Terms:
    """Under which terms the batch's contacts are judged at a moment. Raises DomainError as ``sender_of``."""
    return Terms(
        batch.channel, settings.current(), sender_of(batch), now, calendar.current(), since=batch.confirmed_at
    )


def judge(batch: OutreachBatch) -> None:
    """Give each waiting row of a batch its status and reason as of now, and count them into ``planned``.

    Contact hours hold nobody back here: a confirmed batch waits for them.
    """
    now = dt.datetime.now(dt.UTC)
    terms = terms_of(batch, now)
    judged = _judged(batch, terms)
    db.session.execute(
        update(Outreach)
        .where(Outreach.id == judged.c.id, judged.c.reason.is_not(None))
        .values(
            status=case(
                (judged.c.reason.in_(DROPPED), OutreachStatus.DROPPED.value), else_=OutreachStatus.HELD.value
            ),
            reason=judged.c.reason,
            at=now,
        ),
        execution_options={"synchronize_session": False},
    )
    batch.planned = counts(batch) | {"open_at": _opens(terms).isoformat()}
    batch.gateway = gateways.current(batch.channel).name


def _opens(terms: Terms) -> dt.datetime:
    return compliance.next_open(terms.settings, terms.calendar, terms.local)


def _judged(batch: OutreachBatch, terms: Terms) -> CTE:
    """Id and first reason of each queued row; the second hit of a person is ``twice``."""
    held = compliance.reasons(terms, leave_out=["hours"])
    one = (
        select(
            Outreach.id,
            Outreach.phone_index,
            Outreach.id_hash,
            held[1].label("reason"),
            Hit.grade,
            Hit.score,
        )
        .join(Hit, Hit.id == Outreach.hit_id)
        .join(Lead, Lead.id == Outreach.lead_id)
        .where(Outreach.batch_id == batch.id, Outreach.status == OutreachStatus.QUEUED)
        .cte("one")
    )
    best = (one.c.grade, one.c.score.desc(), one.c.id)
    free = one.c.reason.is_(None)
    places = [
        func.row_number().over(partition_by=(free, column), order_by=best)
        for column in (one.c.phone_index, one.c.id_hash)
    ]
    two = select(one.c.id, one.c.reason, *(place.label(f"p{n}") for n, place in enumerate(places))).cte("two")
    twice = case((or_(two.c.p0 > 1, two.c.p1 > 1), "twice"), else_=None)
    return select(two.c.id, func.coalesce(two.c.reason, twice).label("reason")).cte("judged")


def counts(batch: OutreachBatch) -> dict[str, Any]:
    """How many rows of the batch go, and how many are held back for which reason."""
    query = (
        select(Outreach.status, Outreach.reason, func.count())
        .where(Outreach.batch_id == batch.id)
        .group_by(Outreach.status, Outreach.reason)
    )
    go = 0
    held: dict[str, int] = {}
    for status, reason, n in db.session.execute(query).tuples():
        if status in (OutreachStatus.HELD, OutreachStatus.DROPPED):
            held[reason] = held.get(reason, 0) + n
        else:
            go += n
    return {"go": go, "held": held}


def by_status(batch: OutreachBatch) -> dict[str, int]:
    """How many rows of the batch stand where."""
    query = (
        select(Outreach.status, func.count()).where(Outreach.batch_id == batch.id).group_by(Outreach.status)
    )
    return dict(db.session.execute(query).tuples().all())


def needs_approval(batch: OutreachBatch) -> bool:
    """Whether a second person must agree before the batch goes."""
    return int(batch.planned.get("go", 0)) > settings.current().approval_above


def confirm(batch: OutreachBatch, by: Staff, reason: str = "") -> Approval | None:
    """Let a checked batch go, or ask a second person when it is large: then the request. Does not commit.

    Raises DomainError when it is not checked, nobody is left to contact, or it is another person's.
    """
    _lock(batch)
    if batch.status != OutreachBatchStatus.CHECKED:
        raise DomainError("This batch can't be confirmed now.")
    if batch.created_by_id != by.id:
        raise DomainError("Only %(person)s can confirm this batch.", person=batch.created_by)
    if not batch.planned.get("go"):
        raise DomainError("Nobody of this batch may be contacted.")
    if needs_approval(batch):
        return approvals.submit(KIND, batch.id, by, reason)
    run(batch, by.username)
    return None


def run(batch: OutreachBatch, who: str) -> None:
    """Let the batch go from now on. Does not commit; ``nudge_sender`` after the commit."""
    batch.status, batch.confirmed_by = OutreachBatchStatus.RUNNING, who
    batch.confirmed_at = dt.datetime.now(dt.UTC)
    batch.not_before, batch.waits_for = None, ""


def nudge_sender() -> None:
    """Ask a worker to send what may go."""
    nudge("outreach", "app.jobs.outreach.run", 0)


def pause(batch: OutreachBatch) -> None:
    """Send nothing more until it is resumed; what is being handed over still goes. Does not commit."""
    _move(batch, (OutreachBatchStatus.RUNNING,), OutreachBatchStatus.PAUSED)


def resume(batch: OutreachBatch) -> None:
    """Go on after a pause. Does not commit."""
    _move(batch, (OutreachBatchStatus.PAUSED,), OutreachBatchStatus.RUNNING)


def cancel(batch: OutreachBatch) -> None:
    """End the batch: whoever was not contacted yet is dropped. Does not commit."""
    _move(batch, (*OPEN, OutreachBatchStatus.CHECKED), OutreachBatchStatus.CANCELLED)
    drop_rest(batch, "cancelled")


def drop_rest(batch: OutreachBatch, reason: str) -> None:
    """Give every row that still waits up for a reason. Does not commit."""
    status = OutreachStatus.DROPPED if reason in DROPPED else OutreachStatus.HELD
    db.session.execute(
        update(Outreach)
        .where(Outreach.batch_id == batch.id, Outreach.status == OutreachStatus.QUEUED)
        .values(status=status, reason=reason, at=func.now()),
        execution_options={"synchronize_session": False},
    )
    batch.finished_at = dt.datetime.now(dt.UTC)
    cost.settle(batch)


def _move(batch: OutreachBatch, before: tuple[str, ...], after: OutreachBatchStatus) -> None:
    _lock(batch)
    if batch.status not in before:
        status = labels.word(labels.OUTREACH_BATCH_STATUS, batch.status)
        raise DomainError("The batch is “%(status)s”: this can't be done now.", status=status)
    batch.status = after


def _lock(batch: OutreachBatch) -> None:
    db.session.refresh(batch, with_for_update=True)


class _BatchKind:
    name = KIND
    permission = BULK

    def title(self, subject_id: int) -> str:
        batch = _row(subject_id)
        return _("Batch #%(id)s: %(template)s", id=batch.id, template=str(batch.version.template))

    def state(self, subject_id: int) -> str:
        batch = _row(subject_id)
        rows = (
            select(Outreach.hit_id, Outreach.status)
            .where(Outreach.batch_id == subject_id)
            .order_by(Outreach.id)
        )
        digest = hashlib.sha256()
        for hit_id, status in db.session.execute(rows).tuples():
            digest.update(f"{hit_id} {status}\n".encode())
        return f"{batch.version_id} {batch.channel} {batch.planned.get('go')} {digest.hexdigest()}"

    def makers(self, subject_id: int) -> set[str]:
        return {_row(subject_id).created_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        batch = _row(subject_id)
        held = sum(batch.planned.get("held", {}).values())
        return [
            Change(_("Channel"), "", labels.word(labels.OUTREACH_CHANNEL, batch.channel)),
            Change(_("Template"), "", f"{batch.version}: {batch.version.body}"),
            Change(_("Contacted"), "", f"{batch.planned.get('go', 0):,}"),
            Change(_("Held back"), "", f"{held:,}"),
        ]

    def submitted(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.WAITING

    def apply(self, approval: Approval, who: str) -> None:
        # The ticker starts the sender; a nudge before the commit could come too early.
        run(_row(approval.subject_id), who)

    def returned(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.CHECKED

    def address(self, subject_id: int) -> tuple[str, dict[str, Any]]:
        return "OutreachBatchView.show", {"pk": subject_id}


def _row(subject_id: int) -> OutreachBatch:
    batch = db.session.get(OutreachBatch, subject_id)
    if batch is None:
        raise DomainError("The batch does not exist any more.")
    return batch


approvals.register(_BatchKind())
