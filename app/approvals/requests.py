"""Life cycle of a request: submitted, then approved, rejected, withdrawn or expired, exactly once.

Only ``expire`` commits. Otherwise the caller's transaction holds the decision together with its consequences.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any, NamedTuple

from flask_babel import force_locale
from sqlalchemy import or_, select

from app.access import taints
from app.access.people import name_of
from app.access.rights import holders, holds
from app.approvals.kinds import Kind, kind_named
from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.spreadsheet import truncate
from app.models import Approval, ApprovalStatus, Staff

DECIDE = ("can_approve", "ApprovalView")
VALID_DAYS = 14
LANGUAGES = ("zh", "en")
MAX_CHARACTERS = 500


class CommandUser(NamedTuple):
    """Whoever runs a command, which requests something without a log-in."""

    username: str
    id: None = None


def submit(
    kind_name: str,
    subject_id: int,
    user: Staff | CommandUser,
    reason: str,
    payload: dict[str, Any] | None = None,
) -> Approval:
    """Submit a subject for a second person's decision, flush, and return the request.

    Raises DomainError without a reason, when a request about the subject is open, or when the kind refuses.
    """
    kind = kind_named(kind_name)
    db.session.flush()
    if not reason.strip():
        raise DomainError("State a reason for your request; the approver will see it.")
    if open_request(kind_name, subject_id) is not None:
        raise DomainError("%(subject)s is already waiting for approval.", subject=kind.title(subject_id))
    approval = _request(kind, subject_id, user, reason, payload or {})
    kind.submitted(approval)
    db.session.add(approval)
    db.session.flush()
    return approval


def ask(
    kind_name: str, subject_id: int, user: Staff, reason: str, payload: dict[str, Any] | None = None
) -> Approval | None:
    """Submit a subject for a second person's decision, flush, and return the request.

    Where there is no second person, apply the change at once, record it as unchecked and return None: a bank
    with a single such person must not be locked out. Raises DomainError as ``submit`` does.
    """
    if has_other_deciders(kind_name, user):
        return submit(kind_name, subject_id, user, reason, payload)
    if not reason.strip():
        raise DomainError("State a reason; it is kept with the approval and in the change log.")
    db.session.flush()
    kind = kind_named(kind_name)
    approval = _request(kind, subject_id, user, reason, payload or {})
    approval.status = ApprovalStatus.UNCHECKED
    db.session.add(approval)
    db.session.flush()
    kind.apply(approval, user.username)
    db.session.flush()
    return None


def has_other_deciders(kind_name: str, user: Staff, *excluded: int) -> bool:
    """Return whether anybody but the user and the ``excluded`` ids has the right to decide such requests."""
    people = holders(DECIDE, kind_named(kind_name).permission)
    return any(person.id not in (user.id, *excluded) for person in people)


def _request(
    kind: Kind, subject_id: int, user: Staff | CommandUser, reason: str, payload: dict[str, Any]
) -> Approval:
    return Approval(
        kind=kind.name,
        subject_id=subject_id,
        title=truncate(kind.title(subject_id), 255),
        reason=_checked_text(reason),
        changes=_in_words(kind, subject_id, payload),
        payload=payload,
        state=_digest(kind, subject_id),
        makers=sorted(kind.makers(subject_id) | {user.username}),
        requested_by=user.username,
        requested_by_id=user.id,
        expires_at=clock.now() + dt.timedelta(days=VALID_DAYS),
    )


def approve(approval: Approval, user: Staff, note: str = "") -> None:
    """Approve a request, carry it out and flush.

    Raises DomainError as ``_decide`` does, when the subject has changed, or when the kind refuses.
    """
    kind = _decide(approval, user, ApprovalStatus.APPROVED, note)
    if approval.state != _digest(kind, approval.subject_id):
        raise DomainError(
            "%(subject)s has changed since the request was made. Reject it and have it submitted again.",
            subject=approval.title,
        )
    kind.apply(approval, user.username)
    db.session.flush()


def reject(approval: Approval, user: Staff, note: str) -> None:
    """Reject a request and flush. Raises DomainError as ``_decide`` does, or without a note of the reason."""
    if not note.strip():
        raise DomainError("State a reason for the rejection; the requester will see it.")
    _decide(approval, user, ApprovalStatus.REJECTED, note).returned(approval)
    db.session.flush()


def withdraw(approval: Approval, user: Staff) -> None:
    """Withdraw the user's own request and flush. Raises DomainError for another person's or a decided one."""
    _lock_waiting(approval)
    if approval.requested_by_id != user.id:
        raise DomainError("Only %(person)s can withdraw this request.", person=name_of(approval.requested_by))
    approval.status = ApprovalStatus.WITHDRAWN
    approval.decided_at = clock.now()
    kind_named(approval.kind).returned(approval)
    db.session.flush()


def expire(now: dt.datetime) -> int:
    """Expire the requests that nobody decided in time and commit. Return their number."""
    query = select(Approval).where(Approval.status == ApprovalStatus.WAITING, Approval.expires_at <= now)
    late = list(db.session.scalars(query.with_for_update(skip_locked=True)))
    for approval in late:
        approval.status = ApprovalStatus.EXPIRED
        approval.decided_at = now
        kind_named(approval.kind).returned(approval)
    db.session.commit()
    return len(late)


def open_request(kind_name: str, subject_id: int) -> Approval | None:
    """Return the open request about a subject, None when there is none."""
    return db.session.scalar(
        select(Approval).where(
            Approval.kind == kind_name,
            Approval.subject_id == subject_id,
            Approval.status == ApprovalStatus.WAITING,
        )
    )


def why_cannot_decide(approval: Approval, user: Staff) -> str | None:
    """Return why the user can't decide on a request, None when they can."""
    try:
        _check_decider(approval, user, kind_named(approval.kind))
    except DomainError as error:
        return error.text()
    return None


def deciders(approval: Approval) -> list[Staff]:
    """Return everybody who may decide on a request at present."""
    kind = kind_named(approval.kind)
    people = holders(DECIDE, kind.permission)
    return [person for person in people if _conflict_of_interest(approval, person) is None]


def _decide(approval: Approval, user: Staff, status: ApprovalStatus, note: str) -> Kind:
    """Record a decision and return the request's kind.

    Raises DomainError when the request is decided or expired, or when the user may not decide on it.
    """
    _lock_waiting(approval)
    kind = kind_named(approval.kind)
    if approval.expires_at <= clock.now():
        raise DomainError("This request has expired; have it submitted again.")
    _check_decider(approval, user, kind)
    approval.status = status
    approval.decided_by = user.username
    approval.decided_by_id = user.id
    approval.decided_at = clock.now()
    approval.note = _checked_text(note)
    return kind


def _check_decider(approval: Approval, user: Staff, kind: Kind) -> None:
    conflict = _conflict_of_interest(approval, user)
    if conflict is not None:
        raise conflict
    if not (holds(user, *DECIDE) and holds(user, *kind.permission)):
        raise DomainError("You may not decide on this request.")


def _conflict_of_interest(approval: Approval, user: Staff) -> DomainError | None:
    """Return why the user is too close to a request to decide on it, None when they are not."""
    if user.id == approval.requested_by_id or user.username in approval.makers:
        return DomainError("You may not decide on something that you made or requested yourself.")
    return next(filter(None, (_shared_control(user, maker) for maker in _makers(approval))), None)


def _makers(approval: Approval) -> list[Staff]:
    """Return the log-ins of everybody who worked on the subject or requested the decision."""
    named = or_(Staff.username.in_(approval.makers), Staff.id == approval.requested_by_id)
    return list(db.session.scalars(select(Staff).where(named).order_by(Staff.id)))


def _shared_control(user: Staff, maker: Staff) -> DomainError | None:
    """Return the refusal for two accounts under which one person could act, None when nobody could."""
    shared = taints.common_actors(user.id, maker.id)
    if maker.id in shared:
        return DomainError(
            "%(person)s set up your account, reset its password or changed its address, and so could act "
            "under your name. Until you choose a password through a link mailed to you, somebody else must "
            "decide.",
            person=name_of(maker.username),
        )
    if user.id in shared:
        return DomainError(
            "You set up the account of %(person)s, reset its password or changed its address, and so could "
            "act under that name. Until they choose a password through a link mailed to them, somebody else "
            "must decide.",
            person=name_of(maker.username),
        )
    if not shared:
        return None
    other = db.session.get(Staff, min(shared))
    return DomainError(
        "%(other)s could act under your account and under that of %(person)s: both count as one until their "
        "owners choose passwords through links mailed to them. Somebody else must decide.",
        other=name_of(other.username) if other else "",
        person=name_of(maker.username),
    )


def _lock_waiting(approval: Approval) -> None:
    db.session.refresh(approval, with_for_update=True)
    if approval.status != ApprovalStatus.WAITING:
        raise DomainError("This request has already been decided.")


def _checked_text(given: str) -> str:
    """Return a reason or note as it is stored. Raises DomainError when it is too long."""
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
