"""The life of a request: asked for, then approved, rejected, withdrawn or expired, exactly once.

Nothing here commits; the caller's transaction holds the decision and what follows from it together.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from flask_babel import force_locale
from sqlalchemy import or_, select

from app.access import hands
from app.access.rights import holders, holds
from app.approvals.kinds import Kind, kind_named
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.spreadsheet import shortened
from app.models import Approval, ApprovalStatus, Staff

DECIDE = ("can_approve", "ApprovalView")
VALID_DAYS = 14
LANGUAGES = ("zh", "en")
MAX_CHARACTERS = 500


def submit(
    kind_name: str, subject_id: int, by: Staff, reason: str, payload: dict[str, Any] | None = None
) -> Approval:
    """Ask for a second person's decision about a subject. Flushes.

    Raises DomainError without a reason, when the same is already asked for, or when the kind refuses.
    """
    kind = kind_named(kind_name)
    db.session.flush()
    if not reason.strip():
        raise DomainError("Say why you ask for it; the person who decides reads that.")
    if waiting_for(kind_name, subject_id) is not None:
        raise DomainError("%(subject)s already waits for a decision.", subject=kind.title(subject_id))
    approval = _request(kind, subject_id, by, reason, payload or {})
    kind.submitted(approval)
    db.session.add(approval)
    db.session.flush()
    return approval


def ask(
    kind_name: str, subject_id: int, by: Staff, reason: str, payload: dict[str, Any] | None = None
) -> Approval | None:
    """Ask for a second person's decision wherever there is one; else do it at once, kept as unchecked: None.

    A bank that has one such person alone must not be locked out. Flushes. Raises DomainError as ``submit``.
    """
    if others_decide(kind_name, by):
        return submit(kind_name, subject_id, by, reason, payload)
    if not reason.strip():
        raise DomainError("Say why; the approvals and the change log keep it.")
    db.session.flush()
    kind = kind_named(kind_name)
    approval = _request(kind, subject_id, by, reason, payload or {})
    approval.status = ApprovalStatus.UNCHECKED
    db.session.add(approval)
    db.session.flush()
    kind.apply(approval, by.username)
    db.session.flush()
    return None


def others_decide(kind_name: str, by: Staff, *but: int) -> bool:
    """Whether anybody else has the right to decide about such requests; ``but`` these ids."""
    people = holders(DECIDE, kind_named(kind_name).permission)
    return any(person.id not in (by.id, *but) for person in people)


def _request(kind: Kind, subject_id: int, by: Staff, reason: str, payload: dict[str, Any]) -> Approval:
    return Approval(
        kind=kind.name,
        subject_id=subject_id,
        title=shortened(kind.title(subject_id), 255),
        reason=_said(reason),
        changes=_in_words(kind, subject_id, payload),
        payload=payload,
        state=_digest(kind, subject_id),
        makers=sorted(kind.makers(subject_id) | {by.username}),
        requested_by=by.username,
        requested_by_id=by.id,
        expires_at=clock.now() + dt.timedelta(days=VALID_DAYS),
    )


def approve(approval: Approval, by: Staff, note: str = "") -> None:
    """Decide for it and do it. Raises DomainError as ``_decide`` does, or when it can't be done any more."""
    kind = _decide(approval, by, ApprovalStatus.APPROVED, note)
    if approval.state != _digest(kind, approval.subject_id):
        raise DomainError(
            "%(subject)s has changed since this was asked for. Reject it and let it be asked for again.",
            subject=approval.title,
        )
    kind.apply(approval, by.username)
    db.session.flush()


def reject(approval: Approval, by: Staff, note: str) -> None:
    """Decide against it. Raises DomainError as ``_decide`` does, or without a note that says why."""
    if not note.strip():
        raise DomainError("Say why you reject it; the person who asked reads that.")
    _decide(approval, by, ApprovalStatus.REJECTED, note).returned(approval)
    db.session.flush()


def withdraw(approval: Approval, by: Staff) -> None:
    """Take one's own request back. Raises DomainError for another person's or a decided one."""
    _lock_waiting(approval)
    if approval.requested_by_id != by.id:
        raise DomainError("Only %(person)s can withdraw this request.", person=approval.requested_by)
    approval.status = ApprovalStatus.WITHDRAWN
    approval.decided_at = clock.now()
    kind_named(approval.kind).returned(approval)
    db.session.flush()


def expire(now: dt.datetime) -> int:
    """End the requests nobody decided in time; how many. Commits."""
    query = select(Approval).where(Approval.status == ApprovalStatus.WAITING, Approval.expires_at <= now)
    late = list(db.session.scalars(query.with_for_update(skip_locked=True)))
    for approval in late:
        approval.status = ApprovalStatus.EXPIRED
        approval.decided_at = now
        kind_named(approval.kind).returned(approval)
    db.session.commit()
    return len(late)


def waiting_for(kind_name: str, subject_id: int) -> Approval | None:
    """The open request about a subject, None when there is none."""
    return db.session.scalar(
        select(Approval).where(
            Approval.kind == kind_name,
            Approval.subject_id == subject_id,
            Approval.status == ApprovalStatus.WAITING,
        )
    )


def why_not(approval: Approval, by: Staff) -> str | None:
    """Why this person can't decide about the request, None when they can."""
    try:
        _check_decider(approval, by, kind_named(approval.kind))
    except DomainError as error:
        return error.text()
    return None


def deciders(approval: Approval) -> list[Staff]:
    """Everybody who may decide about a request now."""
    kind = kind_named(approval.kind)
    found = holders(DECIDE, kind.permission)
    return [person for person in found if _bias(approval, person) is None]


def _decide(approval: Approval, by: Staff, status: ApprovalStatus, note: str) -> Kind:
    """Mark the decision. Raises DomainError when it is decided, expired, or not theirs to decide."""
    _lock_waiting(approval)
    kind = kind_named(approval.kind)
    if approval.expires_at <= clock.now():
        raise DomainError("This request has expired; let it be asked for again.")
    _check_decider(approval, by, kind)
    approval.status = status
    approval.decided_by = by.username
    approval.decided_by_id = by.id
    approval.decided_at = clock.now()
    approval.note = _said(note)
    return kind


def _check_decider(approval: Approval, by: Staff, kind: Kind) -> None:
    bias = _bias(approval, by)
    if bias is not None:
        raise bias
    if not (holds(by, *DECIDE) and holds(by, *kind.permission)):
        raise DomainError("You may not decide about this.")


def _bias(approval: Approval, by: Staff) -> DomainError | None:
    """Why the person is too close to the request to decide about it, None when they are not."""
    if by.id == approval.requested_by_id or by.username in approval.makers:
        return DomainError("Nobody decides about what they made or asked for themselves.")
    return next(filter(None, (_one_hand(by, maker) for maker in _accounts(approval))), None)


def _accounts(approval: Approval) -> list[Staff]:
    """The log-ins of everybody who made or asked for it."""
    named = or_(Staff.username.in_(approval.makers), Staff.id == approval.requested_by_id)
    return list(db.session.scalars(select(Staff).where(named).order_by(Staff.id)))


def _one_hand(by: Staff, maker: Staff) -> DomainError | None:
    """What to say when one person could act under both accounts, None when nobody could."""
    shared = hands.common(by.id, maker.id)
    if maker.id in shared:
        return DomainError(
            "%(person)s set up your account, reset its password or changed its address, and so could act "
            "under your name. Until you choose a password through a link mailed to you, somebody else must "
            "decide.",
            person=maker.username,
        )
    if by.id in shared:
        return DomainError(
            "You set up the account of %(person)s, reset its password or changed its address, and so could "
            "act under that name. Until they choose a password through a link mailed to them, somebody else "
            "must decide.",
            person=maker.username,
        )
    if not shared:
        return None
    other = db.session.get(Staff, min(shared))
    return DomainError(
        "%(other)s could act under your account and under that of %(person)s: both count as one until their "
        "owners choose passwords through links mailed to them. Somebody else must decide.",
        other=other.username if other else "",
        person=maker.username,
    )


def _lock_waiting(approval: Approval) -> None:
    db.session.refresh(approval, with_for_update=True)
    if approval.status != ApprovalStatus.WAITING:
        raise DomainError("This request is already decided.")


def _said(given: str) -> str:
    """A reason or note as it is stored. Raises DomainError for one that is too long to be stored whole."""
    text = given.strip()
    if len(text) > MAX_CHARACTERS:
        raise DomainError(
            "Keep it to %(most)s characters; it has %(given)s.", most=MAX_CHARACTERS, given=len(text)
        )
    return text


def _digest(kind: Kind, subject_id: int) -> str:
    return hashlib.sha256(kind.state(subject_id).encode()).hexdigest()


def _in_words(kind: Kind, subject_id: int, payload: dict[str, Any]) -> dict[str, list[list[str]]]:
    words = {}
    for language in LANGUAGES:
        with force_locale(language):
            words[language] = [[str(part) for part in each] for each in kind.changes(subject_id, payload)]
    return words
