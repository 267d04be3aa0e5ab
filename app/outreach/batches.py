"""Batches: chosen, confirmed or approved, paused, cancelled.

Their check is ``app.outreach.preflight``, sending ``app.outreach.sending``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from flask import current_app
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import func, select, update

from app import approvals, labels
from app.access import taints
from app.approvals import Change
from app.errors import N_, DomainError
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.jobs.nudges import nudge_once
from app.lib import clock
from app.lib.clock import today
from app.lib.pointers import to_row
from app.models import (
    Approval,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    OutreachTemplateVersion,
    Staff,
)
from app.outreach import candidates, cost, settings, templates, variants
from app.outreach.compliance import DROPPED, REASONS
from app.outreach.variants import Second
from app.selection import Selection

KIND = "outreach_batch"
OPEN = (OutreachBatchStatus.RUNNING, OutreachBatchStatus.PAUSED)
CANCELLABLE = (*OPEN, OutreachBatchStatus.CHECKING, OutreachBatchStatus.CHECKED)


def of_hits(
    version: OutreachTemplateVersion, hit_ids: list[int], by: Staff, second: Second | None = None
) -> OutreachBatch:
    """A batch for ticked hits, not yet checked. Commits. Raises DomainError for none or too many."""
    ids = sorted(set(hit_ids))
    candidates.check_size(len(ids))
    return _create(version, second, {"ids": ids}, len(ids), by)


def of_filter(
    version: OutreachTemplateVersion, hits: Selection, second: Second | None = None
) -> OutreachBatch:
    """A batch for the hits that a person selected, not yet checked. Commits.

    Raises DomainError for none or too many, and for a filter that means nothing.
    """
    count = candidates.count_of(hits)
    candidates.check_size(count)
    return _create(version, second, {"filters": hits.as_json()}, count, hits.user)


def _create(
    version: OutreachTemplateVersion,
    second: Second | None,
    selection: dict[str, Any],
    count: int,
    by: Staff,
) -> OutreachBatch:
    batch = OutreachBatch(
        channel=version.template.channel,
        version_id=version.id,
        version_b_id=second.version.id if second else None,
        share_b=second.share if second else None,
        selection=selection,
        candidates=count,
        created_by=by.username,
        created_by_id=by.id,
    )
    db.session.add(batch)
    db.session.commit()
    return batch


def needs_approval(batch: OutreachBatch) -> bool:
    """Whether a second person must agree before the batch goes.

    What its maker let go alone today counts too, so that a list cut in pieces, down to single customers,
    needs the same.
    """
    go = int(batch.planned.get("go", 0))
    return go + confirmed_alone(batch) > settings.current().approval_above


def confirmed_alone(batch: OutreachBatch) -> int:
    """How many contacts of the batch's channel its maker let go today without a second person.

    Accounts that count as one with the maker's count as the maker.
    """
    midnight = dt.datetime.combine(today(), dt.time(), current_app.config["SETTINGS"].zone)
    query = (
        select(func.count())
        .select_from(Outreach)
        .join(OutreachBatch, OutreachBatch.id == Outreach.batch_id)
        .where(
            OutreachBatch.created_by_id.in_(_accounts(batch)),
            OutreachBatch.confirmed_by == OutreachBatch.created_by,
            OutreachBatch.confirmed_at >= midnight,
            OutreachBatch.channel == batch.channel,
            OutreachBatch.id != batch.id,
            Outreach.status.not_in((OutreachStatus.HELD, OutreachStatus.DROPPED)),
        )
    )
    return db.session.scalar(query) or 0


def _accounts(batch: OutreachBatch) -> set[int]:
    return taints.linked_accounts(batch.created_by_id) if batch.created_by_id else set()


def confirm(
    batch: OutreachBatch, by: Staff, reason: str = "", conditions: dict[str, list[str]] | None = None
) -> Approval | None:
    """Let a checked batch go, or ask a second person when it is large: then the request. Does not commit.

    ``conditions`` are the filters that chose the hits, in words, by language. Raises DomainError when it is
    not checked, nobody is left to contact, or it is another person's.
    """
    _lock_hands(by)
    _lock(batch)
    if batch.status != OutreachBatchStatus.CHECKED:
        raise DomainError("This batch can't be confirmed now.")
    if batch.created_by_id != by.id:
        raise DomainError("Only %(person)s can confirm this batch.", person=batch.created_by)
    if not batch.planned.get("go"):
        raise DomainError("Nobody of this batch may be contacted.")
    if needs_approval(batch):
        return approvals.submit(KIND, batch.id, by, reason, {"conditions": conditions or {}})
    run(batch, by.username)
    return None


def run(batch: OutreachBatch, who: str) -> None:
    """Let the batch go from now on. Does not commit; ``nudge_sender`` after the commit."""
    batch.status, batch.confirmed_by = OutreachBatchStatus.RUNNING, who
    batch.confirmed_at = clock.now()
    batch.not_before, batch.waits_for = None, ""


def nudge_sender() -> None:
    """Ask a worker to send what may go."""
    nudge_once("outreach", "app.jobs.outreach.run")


def pause(batch: OutreachBatch) -> None:
    """Send nothing more until it is resumed; what is being handed over still goes. Does not commit."""
    _move(batch, (OutreachBatchStatus.RUNNING,), OutreachBatchStatus.PAUSED)


def resume(batch: OutreachBatch) -> None:
    """Go on after a pause. Does not commit."""
    _move(batch, (OutreachBatchStatus.PAUSED,), OutreachBatchStatus.RUNNING)


def cancel(batch: OutreachBatch) -> None:
    """End the batch: whoever was not contacted yet is dropped. Does not commit."""
    _move(batch, CANCELLABLE, OutreachBatchStatus.CANCELLED)
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
    batch.finished_at = clock.now()
    cost.settle(batch)


def _move(batch: OutreachBatch, before: tuple[str, ...], after: OutreachBatchStatus) -> None:
    _lock(batch)
    if batch.status not in before:
        status = labels.word(labels.OUTREACH_BATCH_STATUS, batch.status)
        raise DomainError("The batch is “%(status)s”: this can't be done now.", status=status)
    batch.status = after


def _lock_hands(by: Staff) -> None:
    """Wait for whoever confirms under an account that counts as one with this person's.

    Two batches confirmed at the same moment would not see each other.
    """
    for person in sorted(taints.actors_of([by.id])[by.id]):
        wait_for_lock(db.session(), Lock.OUTREACH_CONFIRM, person)


def _lock(batch: OutreachBatch) -> None:
    # Not stronger than that: rows of a batch that is being checked refer to it.
    db.session.refresh(batch, with_for_update={"key_share": True})


class _BatchKind:
    name = KIND
    permission = candidates.BULK

    def title(self, subject_id: int) -> str:
        batch = _row(subject_id)
        return _("Batch #%(id)s: %(template)s", id=batch.id, template=str(batch.version.template))

    def state(self, subject_id: int) -> str:
        batch = _row(subject_id)
        rows = (
            select(Outreach.hit_id, Outreach.status, Outreach.version_id)
            .where(Outreach.batch_id == subject_id)
            .order_by(Outreach.id)
        )
        digest = hashlib.sha256()
        for row in db.session.execute(rows).tuples():
            digest.update(f"{row}\n".encode())
        says = f"{batch.version_id} {batch.version_b_id} {batch.share_b} {batch.channel}"
        return f"{says} {batch.planned.get('go')} {digest.hexdigest()}"

    def makers(self, subject_id: int) -> set[str]:
        return {_row(subject_id).created_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        batch = _row(subject_id)
        return [
            Change(_("Channel"), "", labels.word(labels.OUTREACH_CHANNEL, batch.channel)),
            Change(_("Who is contacted"), "", _chosen(batch, payload)),
            *(_text_change(batch, *text) for text in variants.texts(batch)),
            Change(_("To be contacted"), "", f"{batch.planned.get('go', 0):,}"),
            Change(_("Held back"), "", _held(batch)),
            Change(_("Planned cost"), "", f"¥{cost.planned(batch):,.2f}"),
        ]

    def submitted(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.WAITING

    def apply(self, approval: Approval, who: str) -> None:
        # The ticker starts the sender; a nudge before the commit could come too early.
        run(_row(approval.subject_id), who)

    def returned(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.CHECKED

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("outreach_batch", subject_id)


def _chosen(batch: OutreachBatch, payload: dict[str, Any]) -> str:
    if "filters" not in batch.selection:
        return _("%(n)s ticked hits", n=f"{batch.candidates:,}")
    conditions = labels.enumerated(payload.get("conditions", {}).get(str(get_locale()), []))
    if not conditions:
        return _("All hits that %(person)s may see", person=batch.created_by)
    return _("%(n)s hits that match: %(conditions)s", n=f"{batch.candidates:,}", conditions=conditions)


def _held(batch: OutreachBatch) -> str:
    held = batch.planned.get("held", {})
    total = f"{sum(held.values()):,}"
    if not held:
        return total
    reasons = labels.enumerated(f"{labels.word(REASONS, code)} {n:,}" for code, n in held.items())
    return _("%(n)s: %(reasons)s", n=total, reasons=reasons)


def _text_change(batch: OutreachBatch, letter: str, version: OutreachTemplateVersion, share: int) -> Change:
    lead = candidates.sample_lead(batch, version)
    said = templates.example(version, lead, today(), settings.current().opt_out_sentence)
    if not letter:
        return Change(_("Template"), "", f"{version}: {said}")
    go = batch.planned["texts"][str(version.id)]["go"]
    label = _("Template %(letter)s (%(share)s%%, %(go)s contacts)", letter=letter, share=share, go=f"{go:,}")
    return Change(label, "", f"{version}: {said}")


def _row(subject_id: int) -> OutreachBatch:
    return approvals.subject_row(OutreachBatch, subject_id, N_("The batch does not exist any more."))


approvals.register(_BatchKind())
