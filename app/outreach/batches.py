"""Outreach batches: creating, confirming or approving, pausing and cancelling them.

They are checked in ``app.outreach.preflight`` and sent in ``app.outreach.sending``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from sqlalchemy import func, select, update

from app import approvals, labels
from app.access import taints
from app.access.people import name_of
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
    Customer,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    OutreachTemplateVersion,
    Staff,
)
from app.outreach import candidates, cost, for_journeys, settings, start_time, templates, variants
from app.outreach.compliance import DROPPED, REASONS
from app.outreach.variants import SecondText
from app.selection import Selection

KIND = "outreach_batch"
OPEN = (OutreachBatchStatus.RUNNING, OutreachBatchStatus.PAUSED)
CANCELLABLE = (*OPEN, OutreachBatchStatus.CHECKING, OutreachBatchStatus.CHECKED)


@dataclass(frozen=True)
class Campaign:
    """What a batch is called, by default after template and date, and when it starts: None for at once."""

    name: str = ""
    send_at: dt.datetime | None = None


def proposed_name(version: OutreachTemplateVersion, day: dt.date | None = None) -> str:
    """Return the name of a batch to which nobody gives another one: its template and the day it is created.

    A number follows when another batch is called so.
    """
    name = f"{version.template.name} {day or today()}"
    alike = select(OutreachBatch.name).where(OutreachBatch.name.startswith(name, autoescape=True))
    taken = set(db.session.scalars(alike))
    names = (_("%(name)s (%(n)s)", name=name, n=n) if n > 1 else name for n in itertools.count(1))
    return next(each for each in names if each not in taken)


def of_hits(
    version: OutreachTemplateVersion,
    hit_ids: list[int],
    user: Staff,
    second: SecondText | None = None,
    campaign: Campaign = Campaign(),
) -> OutreachBatch:
    """Create an unchecked batch for ticked hits and commit.

    Raises DomainError for none or too many, and for a moment at which it may not start.
    """
    ids = sorted(set(hit_ids))
    candidates.check_size(len(ids))
    return _create(version, second, campaign, {"ids": ids}, len(ids), user)


def of_filter(
    version: OutreachTemplateVersion,
    rows: Selection,
    second: SecondText | None = None,
    campaign: Campaign = Campaign(),
) -> OutreachBatch:
    """Create an unchecked batch for the selected hits, or for one hit of each selected customer, and commit.

    Raises DomainError as ``of_hits`` does, and for an invalid filter.
    """
    count = candidates.count_of(rows)
    candidates.check_size(count)
    kind = "customers" if rows.model is Customer else "filters"
    return _create(version, second, campaign, {kind: rows.as_json()}, count, rows.user)


def _create(
    version: OutreachTemplateVersion,
    second: SecondText | None,
    campaign: Campaign,
    selection: dict[str, Any],
    count: int,
    user: Staff,
) -> OutreachBatch:
    if campaign.send_at is not None:
        start_time.check(campaign.send_at)
    batch = OutreachBatch(
        name=campaign.name.strip() or proposed_name(version),
        send_at=campaign.send_at,
        channel=version.template.channel,
        version_id=version.id,
        version_b_id=second.version.id if second else None,
        share_b=second.share if second else None,
        selection=selection,
        candidates=count,
        created_by=user.username,
        created_by_id=user.id,
    )
    db.session.add(batch)
    db.session.commit()
    return batch


def needs_approval(batch: OutreachBatch) -> bool:
    """Whether a second person must approve the batch before it is sent.

    Contacts that its creator confirmed alone today count too, so that splitting a list into small batches
    does not avoid approval.
    """
    go = int(batch.planned.get("go", 0))
    return go + confirmed_today(batch) > settings.current().approval_above


def confirmed_today(batch: OutreachBatch) -> int:
    """Count the channel's contacts that the batch's creator confirmed today without a second approver.

    Accounts that count as one with the creator's are included.
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
    batch: OutreachBatch, user: Staff, reason: str = "", conditions: dict[str, list[str]] | None = None
) -> Approval | None:
    """Confirm a checked batch, or submit it for approval when it is large. Does not commit.

    Return the approval request, if any. ``conditions`` are the filters that selected the hits, in words, by
    language. Raises DomainError when the batch is not checked, has nobody to contact, is another user's, or
    may not start at the moment that was chosen.
    """
    _lock_hands(user)
    _lock(batch)
    if batch.status != OutreachBatchStatus.CHECKED:
        raise DomainError("This batch can't be confirmed now.")
    if batch.created_by_id != user.id:
        raise DomainError("Only %(person)s can confirm this batch.", person=name_of(batch.created_by))
    if not batch.planned.get("go"):
        raise DomainError("Nobody in this batch may be contacted.")
    if batch.send_at is not None:
        start_time.check(batch.send_at)
    if needs_approval(batch):
        return approvals.submit(KIND, batch.id, user, reason, {"conditions": conditions or {}})
    run(batch, user.username)
    return None


def start_at(batch: OutreachBatch, moment: dt.datetime | None) -> None:
    """Choose when a checked batch starts, None for at once. Does not commit."""
    if batch.status == OutreachBatchStatus.CHECKED:
        batch.send_at = moment


def run(batch: OutreachBatch, username: str) -> None:
    """Let the batch be sent from now on, from its chosen moment, or once contact hours begin.

    Does not commit; call ``nudge_sender`` after the commit.
    """
    batch.status, batch.confirmed_by = OutreachBatchStatus.RUNNING, username
    batch.confirmed_at = clock.now()
    batch.not_before, batch.waits_for = None, ""
    opens = start_time.opens_after(batch.confirmed_at)
    if batch.send_at is not None and batch.send_at > batch.confirmed_at:
        batch.not_before, batch.waits_for = batch.send_at, start_time.CHOSEN
    elif opens is not None and not start_time.outlasts_wait(batch, opens):
        batch.not_before, batch.waits_for = opens, start_time.HOURS


def nudge_sender() -> None:
    """Ask a worker to send the contacts that are due."""
    nudge_once("outreach", "app.jobs.outreach.run")


def pause(batch: OutreachBatch) -> None:
    """Pause the batch; contacts being handed to the gateway are still sent. Does not commit."""
    _move(batch, (OutreachBatchStatus.RUNNING,), OutreachBatchStatus.PAUSED)


def resume(batch: OutreachBatch) -> None:
    """Resume a paused batch. Does not commit. Raises DomainError while its journey stands still."""
    if for_journeys.stands_still(batch):
        raise DomainError("The journey of this batch stands still; it goes on with the journey.")
    _move(batch, (OutreachBatchStatus.PAUSED,), OutreachBatchStatus.RUNNING)


def cancel(batch: OutreachBatch) -> None:
    """Cancel the batch and drop everybody who was not contacted yet. Does not commit."""
    _move(batch, CANCELLABLE, OutreachBatchStatus.CANCELLED)
    drop_rest(batch, "cancelled")


def drop_rest(batch: OutreachBatch, reason: str) -> None:
    """Hold or drop every row that is still queued, for the given reason. Does not commit."""
    status = OutreachStatus.DROPPED if reason in DROPPED else OutreachStatus.HELD
    db.session.execute(
        update(Outreach)
        .where(Outreach.batch_id == batch.id, Outreach.status == OutreachStatus.QUEUED)
        .values(status=status, reason=reason, at=clock.BEGAN),
        execution_options={"synchronize_session": False},
    )
    batch.finished_at = clock.now()
    cost.settle(batch)


def _move(batch: OutreachBatch, before: tuple[str, ...], after: OutreachBatchStatus) -> None:
    _lock(batch)
    if batch.status not in before:
        status = labels.word(labels.OUTREACH_BATCH_STATUS, batch.status)
        raise DomainError("The batch is “%(status)s”, so this is not possible now.", status=status)
    batch.status = after


def _lock_hands(user: Staff) -> None:
    """Wait for confirmations under accounts that count as one with the user's.

    Two batches confirmed at the same moment would not see each other.
    """
    for user_id in sorted(taints.actors_of([user.id])[user.id]):
        wait_for_lock(db.session(), Lock.OUTREACH_CONFIRM, user_id)


def _lock(batch: OutreachBatch) -> None:
    # No stronger lock, because rows of a batch that is being checked refer to it.
    db.session.refresh(batch, with_for_update={"key_share": True})


class _BatchKind:
    name = KIND
    permission = candidates.BULK

    def title(self, subject_id: int) -> str:
        return _row(subject_id).name

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
        says = f"{batch.version_id} {batch.version_b_id} {batch.share_b} {batch.channel} {batch.name}"
        return f"{says} {batch.send_at} {batch.planned.get('go')} {digest.hexdigest()}"

    def makers(self, subject_id: int) -> set[str]:
        return {_row(subject_id).created_by}

    def changes(self, subject_id: int, payload: dict[str, Any]) -> list[Change]:
        batch = _row(subject_id)
        return [
            Change(_("Campaign name"), "", batch.name),
            Change(_("Channel"), "", labels.word(labels.OUTREACH_CHANNEL, batch.channel)),
            Change(_("Who is contacted"), "", who(batch, _conditions(payload))),
            *(_text_change(batch, *text) for text in variants.texts(batch)),
            Change(_("To be contacted"), "", _hits(batch.planned.get("go", 0))),
            Change(_("Held back"), "", _held(batch)),
            Change(_("Planned cost"), "", f"¥{cost.planned(batch):,.2f}"),
            Change(_("Starts"), "", start_time.in_words(batch)),
        ]

    def submitted(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.WAITING

    def apply(self, approval: Approval, user: str) -> None:
        # The ticker starts the sender; a nudge before the commit could come too early.
        run(_row(approval.subject_id), user)

    def returned(self, approval: Approval) -> None:
        _row(approval.subject_id).status = OutreachBatchStatus.CHECKED

    def opens(self, subject_id: int) -> dict[str, Any]:
        return to_row("outreach_batch", subject_id)


def who(batch: OutreachBatch, conditions: Sequence[str]) -> str:
    """Return how the customers or hits of a batch were selected, given the filters in words."""
    if batch.journey_version_id is not None:
        return _("Customers in journeys")
    if "ids" in batch.selection:
        return candidates.ticked(batch.selection["ids"])
    said = {"n": f"{batch.candidates:,}", "person": name_of(batch.created_by)}
    said["conditions"] = labels.enumerated(conditions)
    customers = "customers" in batch.selection
    if not conditions and customers:
        return _("All %(n)s customers that %(person)s may see", **said)
    if not conditions:
        return _("All %(n)s hits that %(person)s may see", **said)
    if customers:
        return _("%(n)s customers that match: %(conditions)s", **said)
    return _("%(n)s hits that match: %(conditions)s", **said)


def _conditions(payload: dict[str, Any]) -> list[str]:
    """Return the filters as the request keeps them for the language of the moment."""
    return list(payload.get("conditions", {}).get(str(get_locale()), []))


def _hits(n: int) -> str:
    return ngettext("%(n)s hit", "%(n)s hits", n, n=f"{n:,}")


def _held(batch: OutreachBatch) -> str:
    held = batch.planned.get("held", {})
    total = _hits(sum(held.values()))
    if not held:
        return total
    reasons = labels.enumerated(f"{labels.word(REASONS, code)} {n:,}" for code, n in held.items())
    return _("%(n)s: %(reasons)s", n=total, reasons=reasons)


def _text_change(batch: OutreachBatch, letter: str, version: OutreachTemplateVersion, share: int) -> Change:
    lead = candidates.sample_lead(batch, version)
    text = templates.example(version, lead, today(), settings.current().opt_out_sentence)
    if not letter:
        return Change(_("Template"), "", _("%(column)s: %(value)s", column=version, value=text))
    go = batch.planned["texts"][str(version.id)]["go"]
    label = _("Template %(letter)s (%(share)s%%, %(go)s contacts)", letter=letter, share=share, go=f"{go:,}")
    return Change(label, "", _("%(column)s: %(value)s", column=version, value=text))


def _row(subject_id: int) -> OutreachBatch:
    return approvals.subject_row(OutreachBatch, subject_id, N_("The batch no longer exists."))


approvals.register(_BatchKind())
