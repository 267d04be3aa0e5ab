"""The do-not-disturb list 免打扰: who must not be contacted. ``Lead.opted_out`` follows it.

An entry is in force while it is not removed and its last day is not past. Entries name a phone or a person;
neither is kept in clear.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, TextClause, and_, or_, select, text
from sqlalchemy.orm import Session

from app.errors import DomainError, FieldError
from app.jobs.locks import Lock, wait_for_lock
from app.leads.errors import InvalidIdNumber, InvalidPhone
from app.leads.identity import IdHasher, canonical_hash, canonical_id
from app.leads.masking import mask_ids
from app.leads.phone import PhoneVault, mask_phone, normalise_phone
from app.lib import clock
from app.models import Lead, Suppression
from config import Settings

#: who closes an entry whose last day is past, and the reason it gives
SYSTEM, EXPIRED = "system", "expired"
_HASH_SHOWN = 8
MAX_REASON = 255

_IN_FORCE = "s.removed_at IS NULL AND (s.expires_on IS NULL OR s.expires_on >= :today)"
_OF_ALL_LEADS = f"""
    in_force AS MATERIALIZED (SELECT s.phone_index, s.id_hash FROM suppression s WHERE {_IN_FORCE}),
    listed AS MATERIALIZED (
        SELECT l.id FROM lead l JOIN in_force s USING (phone_index)
        UNION
        SELECT l.id FROM lead l JOIN in_force s USING (id_hash) WHERE l.deleted_at IS NULL
    ),
    turned AS (
        SELECT l.id FROM listed JOIN lead l USING (id) WHERE NOT l.opted_out AND l.deleted_at IS NULL
        UNION ALL
        SELECT l.id FROM lead l
        WHERE l.opted_out AND l.deleted_at IS NULL AND l.id NOT IN (SELECT id FROM listed)
    )
"""  # noqa: S608
_OF_ONE_TARGET = f"""
    turned AS (
        SELECT l.id FROM lead l
        WHERE (l.phone_index = :phone_index OR l.id_hash = :id_hash) AND l.deleted_at IS NULL
          AND l.opted_out <> EXISTS (
              SELECT FROM suppression s
              WHERE (s.phone_index = l.phone_index OR s.id_hash = l.id_hash) AND {_IN_FORCE})
    )
"""  # noqa: S608


def _turning(leads: str) -> TextClause:
    """Turns the flag of the leads in ``turned``. Hits keep theirs once somebody works on them."""
    return text(f"""
        WITH {leads},
        changed AS (
            UPDATE lead SET opted_out = NOT lead.opted_out, updated_at = now()
            FROM turned WHERE lead.id = turned.id
            RETURNING lead.id, lead.opted_out
        ),
        hits AS (
            UPDATE hit SET opted_out = changed.opted_out, updated_at = now()
            FROM changed
            WHERE hit.lead_id = changed.id AND hit.status = 'waiting' AND hit.opted_out <> changed.opted_out
        )
        SELECT count(*) FROM changed
    """)  # noqa: S608


_EXPIRE = text("""
    UPDATE suppression SET removed_at = now(), removed_by = :who, removal_reason = :reason
    WHERE removed_at IS NULL AND expires_on < :today
""")
_REFRESH, _REFRESH_ONE = _turning(_OF_ALL_LEADS), _turning(_OF_ONE_TARGET)


@dataclass(frozen=True)
class Target:
    """Whom an entry names: a phone by its blind index or a person by the ID hash, and how it is shown."""

    shown: str
    phone_index: str | None = None
    id_hash: str | None = None


def phone_target(phone: str, settings: Settings) -> Target:
    """The owner of a typed phone number. Raises InvalidPhone."""
    number = normalise_phone(phone)
    return Target(mask_phone(number), phone_index=PhoneVault.of(settings).index(number))


def person_target(id_number: str, settings: Settings) -> Target:
    """The person of a typed ID number, of which only the hash is kept. Raises InvalidIdNumber."""
    hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
    return hash_target(hasher.hash(canonical_id(id_number)))


def hash_target(id_hash: str) -> Target:
    """The person of an ID hash, shown by its first digits. Raises InvalidIdNumber."""
    person = canonical_hash(id_hash)
    return Target(f"#{person[:_HASH_SHOWN]}", id_hash=person)


def typed_target(phone: str, id_number: str, settings: Settings) -> Target:
    """The target of a form with two fields of which one is filled. Raises FieldError."""
    if bool(phone) == bool(id_number):
        raise FieldError("phone", "Type either a phone number or an ID number.")
    try:
        return phone_target(phone, settings) if phone else person_target(id_number, settings)
    except (InvalidPhone, InvalidIdNumber) as error:
        raise FieldError("phone" if phone else "id_number", error.message, **error.values) from None


def in_force(today: dt.date) -> ColumnElement[bool]:
    """Criterion on Suppression: the entries that hold on a local date."""
    return and_(
        Suppression.removed_at.is_(None),
        or_(Suppression.expires_on.is_(None), Suppression.expires_on >= today),
    )


def entries_of(session: Session, lead: Lead, today: dt.date) -> list[Suppression]:
    """The entries in force that name a lead, by phone or person, newest first."""
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    query = select(Suppression).where(named, in_force(today)).order_by(Suppression.id.desc())
    return list(session.scalars(query))


def add(
    session: Session,
    target: Target,
    *,
    reason: str,
    who: str,
    today: dt.date,
    expires_on: dt.date | None = None,
) -> Suppression:
    """Put a target on the list and bring leads up to date; the caller commits.

    Raises FieldError for an expiry in the past, and DomainError when an entry that lasts as long is there.
    """
    if expires_on is not None and expires_on < today:
        raise FieldError("expires_on", "This day is past.")
    connection = hold(session)
    _refuse_if_there(session, target, expires_on, today)
    entry = Suppression(
        phone_index=target.phone_index,
        id_hash=target.id_hash,
        shown=target.shown,
        reason=_reason(reason),
        expires_on=expires_on,
        created_by=who,
    )
    session.add(entry)
    session.flush()
    _refresh_one(connection, today, target)
    return entry


def remove(session: Session, entry: Suppression, *, reason: str, who: str, today: dt.date) -> None:
    """Take an entry off the list, keeping its row; the caller commits. Raises DomainError when it is off."""
    connection = hold(session)
    session.refresh(entry, with_for_update=True)
    if entry.removed_at is not None:
        raise DomainError("This entry was removed already.")
    entry.removed_at, entry.removed_by = clock.now(connection), who
    entry.removal_reason = _reason(reason)
    session.flush()
    _refresh_one(connection, today, entry)


def expire(engine: Engine, today: dt.date) -> int:
    """Close the entries whose last day is past, as the system, and let their leads go; how many entries."""
    with engine.begin() as connection:
        closed = connection.execute(_EXPIRE, {"today": today, "who": SYSTEM, "reason": EXPIRED}).rowcount
        if closed:
            refresh(connection, today)
    return closed


def add_lead(session: Session, lead: Lead, *, reason: str, who: str, today: dt.date) -> None:
    """Put the person of a lead on the list unless they are; the caller commits. Raises FieldError."""
    if not reason.strip():
        raise FieldError("do_not_disturb_reason", "Give a reason; it is kept with the list entry.")
    if not any(entry.id_hash for entry in entries_of(session, lead, today)):
        add(session, hash_target(lead.id_hash), reason=reason, who=who, today=today)


def own_entries(session: Session, lead: Lead, today: dt.date) -> list[Suppression]:
    """The entries in force of a lead's person, all of which must go for the person to be contacted.

    Raises FieldError when the lead's phone is on the list, which only its entry undoes.
    """
    present = entries_of(session, lead, today)
    if any(entry.phone_index for entry in present):
        raise FieldError(
            "do_not_disturb", "The phone number is on the do-not-disturb list; remove that entry there."
        )
    return present


def hold(session: Session) -> Connection:
    """Make other changes of the list wait until the transaction ends; call it before changing a lead."""
    connection = session.connection()
    _hold(connection)
    return connection


def refresh(connection: Connection, today: dt.date) -> int:
    """Make ``Lead.opted_out`` and the flag of waiting hits say what the list says; how many leads changed.

    Belongs into the transaction that changed the list or the phones of many leads.
    """
    _hold(connection)
    return int(connection.execute(_REFRESH, {"today": today}).scalar_one())


def refresh_lead(session: Session, lead: Lead, today: dt.date) -> None:
    """The same for a lead whose phone or identity changed, after ``hold``."""
    session.flush()
    _refresh_one(session.connection(), today, lead)


def _refresh_one(connection: Connection, today: dt.date, whom: Target | Lead | Suppression) -> None:
    values = {"today": today, "phone_index": whom.phone_index, "id_hash": whom.id_hash}
    connection.execute(_REFRESH_ONE, values)


def _hold(connection: Connection) -> None:
    # The table first: an import locks it and then refreshes, the other order would be a deadlock.
    connection.execute(text("LOCK TABLE lead IN ROW EXCLUSIVE MODE"))
    wait_for_lock(connection, Lock.SUPPRESSIONS)


def _refuse_if_there(session: Session, target: Target, expires_on: dt.date | None, today: dt.date) -> None:
    same = (
        Suppression.phone_index == target.phone_index
        if target.phone_index
        else Suppression.id_hash == target.id_hash
    )
    lasts: ColumnElement[bool] = Suppression.expires_on.is_(None)
    if expires_on is not None:
        lasts = or_(lasts, Suppression.expires_on >= expires_on)
    if session.scalar(select(Suppression.id).where(same, in_force(today), lasts).limit(1)):
        raise DomainError("%(shown)s is on the do-not-disturb list already.", shown=target.shown)


def _reason(text_: str) -> str:
    reason = mask_ids(text_.strip())
    if not reason:
        raise FieldError("reason", "Give a reason; it is kept with the list entry.")
    if len(reason) > MAX_REASON:
        raise FieldError(
            "reason", "Keep it to %(most)s characters; it has %(given)s.", most=MAX_REASON, given=len(reason)
        )
    return reason
