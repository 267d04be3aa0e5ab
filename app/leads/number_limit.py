"""Searches by a complete phone or ID number: permission, limit and record of every one of them.

With unlimited searches anybody could find out the masked digits of any customer. A search therefore needs the
permission to reveal numbers and counts against the same hourly limit as reveals. It is recorded in the change
log before it is answered, with the blind index or ID hash and never the number. The record is the same
whether the customer is found, belongs to a branch outside the user's scope, or doesn't exist.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from flask import current_app
from sqlalchemy import Select, func, or_, select, text

from app.access.rights import holds
from app.audit.events import event
from app.errors import N_, DomainError
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.lib import clock
from app.models import ChangeLog, ImportBatch, Lead, Reveal, Staff

if TYPE_CHECKING:
    from app.leads.suppression import Target

KIND = "number_search"
RIGHT = ("can_reveal", "LeadView")
#: time for which a list filtered by a number can be opened again, sorted and exported after the search
VALID = dt.timedelta(hours=24)


class TooManyNumbers(DomainError):
    """The user has used up the hourly limit of reveals and searches."""


class SearchNotAllowed(DomainError):
    """The user may not reveal phone numbers, and therefore not search by them."""


def record_search(target: Target, table: str, user: str) -> None:
    """Check the user's permission and limit, and record a search of ``table`` in the change log.

    Raises SearchNotAllowed, and TooManyNumbers beyond REVEALS_PER_HOUR.
    """
    check_right(user)
    check_limit(user)
    event(KIND, table, title=target.shown if target.id_hash else "", **_key(target))


def record_file_check(batch: ImportBatch) -> None:
    """Check the limit and record the dry run of a file, which tells how many of its people are on the list.

    By splitting a file again and again one could find out who they are. Each run therefore counts as one
    search. Raises TooManyNumbers beyond REVEALS_PER_HOUR.
    """
    check_limit(batch.created_by)
    event(KIND, "import_batch", batch.id, title=batch.file_name)


def check_right(user: str) -> None:
    """Check that the user may reveal phone numbers. Raises SearchNotAllowed when they may not."""
    person = db.session.scalar(select(Staff).where(Staff.username == user))
    if person is None or not holds(person, *RIGHT):
        raise SearchNotAllowed(N_("Only people who may see phone numbers may search by one."))


def has_searched(phone_index: str, user: str) -> bool:
    """Return whether the user recently searched for the phone with this blind index."""
    query = select(ChangeLog.id).where(
        ChangeLog.actor == user,
        ChangeLog.kind == KIND,
        ChangeLog.time > func.now() - VALID,
        ChangeLog.changes["phone_index"].as_string() == phone_index,
    )
    return db.session.scalar(query.limit(1)) is not None


def searches_for(lead: Lead) -> Select[tuple[ChangeLog]]:
    """Return the records of searches by a lead's present phone or by their ID number."""
    given = ChangeLog.changes["phone_index"].as_string(), ChangeLog.changes["id_hash"].as_string()
    is_theirs = or_(given[0] == lead.phone_index, given[1] == lead.id_hash)
    return select(ChangeLog).where(ChangeLog.kind == KIND, is_theirs)


def leads_searched_by(record: ChangeLog) -> Select[tuple[Lead]]:
    """Return the leads who now have the phone or ID number that a recorded search was about."""
    given = record.changes
    is_meant = or_(Lead.phone_index == given.get("phone_index"), Lead.id_hash == given.get("id_hash"))
    return select(Lead).where(is_meant, Lead.deleted_at.is_(None)).order_by(Lead.id)


def check_limit(user: str) -> None:
    """Check that the user has numbers left in this hour. Raises TooManyNumbers otherwise.

    A lock of the user's own is held until the transaction ends, so that the limit holds across processes.
    """
    limit = current_app.config["SETTINGS"].reveals_per_hour
    wait_for_lock(db.session(), Lock.LOOKUP, func.hashtext(user))
    hour = text("interval '1 hour'")
    reveals = select(func.count()).where(Reveal.revealed_by == user, Reveal.revealed_at > clock.BEGAN - hour)
    # The change log has the server's own time, wherever the clock of the installation was moved.
    searches = select(func.count()).where(
        ChangeLog.actor == user, ChangeLog.kind == KIND, ChangeLog.time > func.now() - hour
    )
    if (db.session.scalar(reveals) or 0) + (db.session.scalar(searches) or 0) >= limit:
        raise TooManyNumbers(
            N_(
                "You have looked at or searched for %(n)s numbers within an hour, which is the limit; "
                "each check of a list counts as one. Try again later."
            ),
            n=limit,
        )


def _key(target: Target) -> dict[str, str]:
    return {"phone_index": target.phone_index} if target.phone_index else {"id_hash": target.id_hash or ""}
