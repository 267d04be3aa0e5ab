"""The do-not-disturb list 免打扰: people who must not be contacted. ``Lead.opted_out`` follows it.

An entry is in force until it is removed or its last day is over. It names a phone or a person, neither of
them in clear.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, TextClause, and_, or_, select, text
from sqlalchemy.orm import Session

from app.errors import DomainError, FieldError
from app.jobs.locks import Lock, wait_for_lock
from app.leads.errors import InvalidIdNumber, InvalidPhone
from app.leads.identity import IdHasher, canonical_hash, canonical_id
from app.leads.masking import mask_ids, mask_phone
from app.leads.phone import PhoneVault, normalise_phone
from app.lib import clock
from app.models import Lead, Suppression
from config import Settings

#: the user and the reason recorded when an entry expires
SYSTEM, EXPIRED = "system", "expired"
#: the reason recorded when the step is taken back that added an entry
TAKEN_BACK = "taken back"
_HASH_SHOWN = 8
#: leads that are looked up for a page of entries
MOST_LEADS = 1_000
MAX_REASON = 255

_IN_FORCE = "s.removed_at IS NULL AND (s.expires_on IS NULL OR s.expires_on >= :today)"
_OF_ALL_LEADS = f"""
    in_force AS MATERIALIZED (SELECT s.phone_index, s.id_hash FROM suppression s WHERE {_IN_FORCE}),
    listed AS MATERIALIZED (
        SELECT l.id FROM lead l JOIN in_force s USING (phone_index)
        UNION
        SELECT l.id FROM lead l JOIN in_force s USING (id_hash) WHERE l.deleted_at IS NULL
    ),
    toggled AS (
        SELECT l.id FROM listed JOIN lead l USING (id) WHERE NOT l.opted_out AND l.deleted_at IS NULL
        UNION ALL
        SELECT l.id FROM lead l
        WHERE l.opted_out AND l.deleted_at IS NULL AND l.id NOT IN (SELECT id FROM listed)
    )
"""  # noqa: S608
_OF_ONE_TARGET = f"""
    toggled AS (
        SELECT l.id FROM lead l
        WHERE (l.phone_index = :phone_index OR l.id_hash = :id_hash) AND l.deleted_at IS NULL
          AND l.opted_out <> EXISTS (
              SELECT FROM suppression s
              WHERE (s.phone_index = l.phone_index OR s.id_hash = l.id_hash) AND {_IN_FORCE})
    )
"""  # noqa: S608


def _toggle_opt_out(leads: str) -> TextClause:
    """Return a statement that toggles the flag of the leads in ``toggled``, and of their waiting hits."""
    return text(f"""
        WITH {leads},
        changed AS (
            UPDATE lead SET opted_out = NOT lead.opted_out, updated_at = app_now(now())
            FROM toggled WHERE lead.id = toggled.id
            RETURNING lead.id, lead.opted_out
        ),
        hits AS (
            UPDATE hit SET opted_out = changed.opted_out, updated_at = app_now(now())
            FROM changed
            WHERE hit.lead_id = changed.id AND hit.status = 'waiting' AND hit.opted_out <> changed.opted_out
        )
        SELECT count(*) FROM changed
    """)  # noqa: S608


_EXPIRE = text("""
    UPDATE suppression SET removed_at = app_now(now()), removed_by = :who, removal_reason = :reason
    WHERE removed_at IS NULL AND expires_on < :today
""")
_REFRESH, _REFRESH_ONE = _toggle_opt_out(_OF_ALL_LEADS), _toggle_opt_out(_OF_ONE_TARGET)


@dataclass(frozen=True)
class Target:
    """The target of an entry: a phone by blind index or a person by ID hash, and its masked form."""

    shown: str
    phone_index: str | None = None
    id_hash: str | None = None


def phone_target(phone: str, settings: Settings) -> Target:
    """Return the target of a typed phone number. Raises InvalidPhone."""
    number = normalise_phone(phone)
    return Target(mask_phone(number), phone_index=PhoneVault.of(settings).index(number))


def person_target(id_number: str, settings: Settings) -> Target:
    """Return the target of a typed ID number, which holds only its hash. Raises InvalidIdNumber."""
    hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
    return hash_target(hasher.hash(canonical_id(id_number)))


def hash_target(id_hash: str) -> Target:
    """Return the target of an ID hash, shown by its first digits. Raises InvalidIdNumber."""
    person = canonical_hash(id_hash)
    return Target(f"#{person[:_HASH_SHOWN]}", id_hash=person)


def typed_target(phone: str, id_number: str, settings: Settings) -> Target:
    """Return the target of a form with two fields, one of which must be filled. Raises FieldError."""
    if bool(phone) == bool(id_number):
        raise FieldError("phone", "Type either a phone number or an ID number.")
    try:
        return phone_target(phone, settings) if phone else person_target(id_number, settings)
    except (InvalidPhone, InvalidIdNumber) as error:
        raise FieldError("phone" if phone else "id_number", error.message, **error.values) from None


def in_force(today: dt.date) -> ColumnElement[bool]:
    """Return a criterion on Suppression: entries in force on a local date."""
    return and_(
        Suppression.removed_at.is_(None),
        or_(Suppression.expires_on.is_(None), Suppression.expires_on >= today),
    )


def entries_of(session: Session, lead: Lead, today: dt.date) -> list[Suppression]:
    """Return the entries in force for a lead's phone or person, newest first."""
    named = or_(Suppression.phone_index == lead.phone_index, Suppression.id_hash == lead.id_hash)
    query = select(Suppression).where(named, in_force(today)).order_by(Suppression.id.desc())
    return list(session.scalars(query))


def entries_of_all(session: Session, leads: Sequence[Lead], today: dt.date) -> dict[int, list[Suppression]]:
    """Return the entries in force for each of some leads, newest first."""
    query = select(Suppression).where(_names_any(leads, Suppression), in_force(today))
    entries = session.scalars(query.order_by(Suppression.id.desc())).all()
    return {lead.id: [each for each in entries if _same(each, lead)] for lead in leads}


def leads_of_all(
    session: Session, entries: Sequence[Suppression], scope: ColumnElement[bool]
) -> dict[int, list[Lead]]:
    """Return the leads within a scope whom each of some entries means."""
    leads = session.scalars(
        select(Lead).where(_names_any(entries, Lead), scope).order_by(Lead.id).limit(MOST_LEADS)
    ).all()
    return {entry.id: [each for each in leads if _same(entry, each)] for entry in entries}


def _names_any(rows: Sequence[Lead | Suppression], model: type[Lead | Suppression]) -> ColumnElement[bool]:
    phones = {each.phone_index for each in rows if each.phone_index}
    people = {each.id_hash for each in rows if each.id_hash}
    return or_(model.phone_index.in_(phones), model.id_hash.in_(people))


def _same(entry: Suppression, lead: Lead) -> bool:
    if entry.phone_index:
        return entry.phone_index == lead.phone_index
    return entry.id_hash == lead.id_hash


def add(
    session: Session,
    target: Target,
    *,
    reason: str,
    user: str,
    today: dt.date,
    expires_on: dt.date | None = None,
) -> Suppression:
    """Add a target to the list and update leads, without committing. Return the entry.

    Raises FieldError for an expiry in the past, and DomainError when an entry exists that lasts as long.
    """
    if expires_on is not None and expires_on < today:
        raise FieldError("expires_on", "This date is in the past.")
    connection = lock_list(session)
    _check_not_listed(session, target, expires_on, today)
    entry = Suppression(
        phone_index=target.phone_index,
        id_hash=target.id_hash,
        shown=target.shown,
        reason=_reason(reason),
        expires_on=expires_on,
        created_by=user,
    )
    session.add(entry)
    session.flush()
    _refresh_one(connection, today, target)
    return entry


def remove(session: Session, entry: Suppression, *, reason: str, user: str, today: dt.date) -> None:
    """Mark an entry as removed, without committing. Raises DomainError when it already is."""
    connection = lock_list(session)
    session.refresh(entry, with_for_update=True)
    if entry.removed_at is not None:
        raise DomainError("This entry has already been removed.")
    entry.removed_at, entry.removed_by = clock.now(connection), user
    entry.removal_reason = _reason(reason)
    session.flush()
    _refresh_one(connection, today, entry)


def expire(engine: Engine, today: dt.date) -> int:
    """Remove the expired entries as the system and update their leads. Return the number of entries."""
    with engine.begin() as connection:
        closed = connection.execute(_EXPIRE, {"today": today, "who": SYSTEM, "reason": EXPIRED}).rowcount
        if closed:
            refresh(connection, today)
    return closed


def add_lead(session: Session, lead: Lead, *, reason: str, user: str, today: dt.date) -> None:
    """Add the person of a lead to the list unless they are on it, without committing. Raises FieldError."""
    if not reason.strip():
        raise FieldError("do_not_disturb_reason", "Give a reason; it is kept with the list entry.")
    if not any(entry.id_hash for entry in entries_of(session, lead, today)):
        add(session, hash_target(lead.id_hash), reason=reason, user=user, today=today)


def person_entries(session: Session, lead: Lead, today: dt.date) -> list[Suppression]:
    """Return a lead's entries in force, all of which must be removed before the person can be contacted.

    Raises FieldError when one of them names the lead's phone, because that has to be removed from the list
    itself.
    """
    entries = entries_of(session, lead, today)
    if any(entry.phone_index for entry in entries):
        raise FieldError(
            "do_not_disturb", "The phone number is on the do-not-disturb list; remove that entry there."
        )
    return entries


def lock_list(session: Session) -> Connection:
    """Make other changes of the list wait until the transaction ends. Call it before changing a lead."""
    connection = session.connection()
    _lock(connection)
    return connection


def refresh(connection: Connection, today: dt.date) -> int:
    """Update ``Lead.opted_out`` and the flag of waiting hits from the list. Return the number of leads.

    Call it in the transaction that changed the list or the phones of many leads.
    """
    _lock(connection)
    return int(connection.execute(_REFRESH, {"today": today}).scalar_one())


def refresh_lead(session: Session, lead: Lead, today: dt.date) -> None:
    """Do the same as ``refresh`` for a lead whose phone or identity changed, after ``lock_list``."""
    session.flush()
    _refresh_one(session.connection(), today, lead)


def _refresh_one(connection: Connection, today: dt.date, target: Target | Lead | Suppression) -> None:
    values = {"today": today, "phone_index": target.phone_index, "id_hash": target.id_hash}
    connection.execute(_REFRESH_ONE, values)


def _lock(connection: Connection) -> None:
    # The table comes first, as in an import, which locks it before it refreshes; another order would
    # deadlock.
    connection.execute(text("LOCK TABLE lead IN ROW EXCLUSIVE MODE"))
    wait_for_lock(connection, Lock.SUPPRESSIONS)


def _check_not_listed(session: Session, target: Target, expires_on: dt.date | None, today: dt.date) -> None:
    same = (
        Suppression.phone_index == target.phone_index
        if target.phone_index
        else Suppression.id_hash == target.id_hash
    )
    lasts: ColumnElement[bool] = Suppression.expires_on.is_(None)
    if expires_on is not None:
        lasts = or_(lasts, Suppression.expires_on >= expires_on)
    if session.scalar(select(Suppression.id).where(same, in_force(today), lasts).limit(1)):
        raise DomainError("%(shown)s is already on the do-not-disturb list.", shown=target.shown)


def _reason(text_: str) -> str:
    reason = mask_ids(text_.strip())
    if not reason:
        raise FieldError("reason", "Give a reason; it is kept with the list entry.")
    if len(reason) > MAX_REASON:
        raise FieldError(
            "reason", "Keep it to %(most)s characters; it has %(given)s.", most=MAX_REASON, given=len(reason)
        )
    return reason
