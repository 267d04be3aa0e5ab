"""Whether somebody is here, asked by a number typed in full: every such question goes through here.

Who can ask without end whether a number is here can find the masked digits of any customer. So a question
needs the right to see numbers, counts with the numbers that the person looked at in clear, and is an event of
the change log before it is answered: with the blind index or ID hash, never the number, and the same whether
somebody is found, is beyond the person's branch, or is not there at all.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from flask import current_app
from sqlalchemy import func, select, text

from app.access.rights import holds
from app.audit.events import event
from app.errors import N_, DomainError
from app.extensions import db
from app.jobs.locks import Lock, wait_for_lock
from app.models import ChangeLog, ImportBatch, Reveal, Staff

if TYPE_CHECKING:
    from app.leads.suppression import Target

KIND = "number_search"
RIGHT = ("can_reveal", "LeadView")
#: so long a list may be opened again, sorted and exported by a number that the person asked for
VALID = dt.timedelta(hours=24)


class TooManyNumbers(DomainError):
    """The person has looked at, or asked for, as many numbers as an hour allows."""


class MayNotAsk(DomainError):
    """The person may not see numbers, and so not ask for them."""


def ask(target: Target, where: str, who: str) -> None:
    """Put a question on record; ``where`` is the table it is about, ``who`` the log-in name.

    Raises MayNotAsk, and TooManyNumbers beyond REVEALS_PER_HOUR.
    """
    check_right(who)
    take(who)
    event(KIND, where, title=target.shown if target.id_hash else "", **_key(target))


def ask_by_file(batch: ImportBatch) -> None:
    """Put the dry run of a file on record: its figures say how many of the file's people are here.

    Cut in halves often enough, a file would tell who; so each run counts as one number, as ``ask`` does.
    Raises TooManyNumbers beyond REVEALS_PER_HOUR.
    """
    take(batch.created_by)
    event(KIND, "import_batch", batch.id, title=batch.file_name)


def check_right(who: str) -> None:
    """Raise MayNotAsk for who may not look at numbers in clear."""
    person = db.session.scalar(select(Staff).where(Staff.username == who))
    if person is None or not holds(person, *RIGHT):
        raise MayNotAsk(N_("Only people who may look at phone numbers may search by one."))


def was_asked(phone_index: str, who: str) -> bool:
    """Whether the person asked for the phone with this blind index lately."""
    query = select(ChangeLog.id).where(
        ChangeLog.actor == who,
        ChangeLog.kind == KIND,
        ChangeLog.time > func.now() - VALID,
        ChangeLog.changes["phone_index"].as_string() == phone_index,
    )
    return db.session.scalar(query.limit(1)) is not None


def take(who: str) -> None:
    """Raise TooManyNumbers when the hour's numbers are used up.

    Counted under a lock of the person's own until the transaction's end: the limit holds over all processes.
    """
    limit = current_app.config["SETTINGS"].reveals_per_hour
    wait_for_lock(db.session(), Lock.LOOKUP, func.hashtext(who))
    since = func.now() - text("interval '1 hour'")
    seen = select(func.count()).where(Reveal.revealed_by == who, Reveal.revealed_at > since)
    questions = select(func.count()).where(
        ChangeLog.actor == who, ChangeLog.kind == KIND, ChangeLog.time > since
    )
    if (db.session.scalar(seen) or 0) + (db.session.scalar(questions) or 0) >= limit:
        raise TooManyNumbers(
            N_(
                "You have looked at or searched for %(n)s numbers within an hour, which is the limit; "
                "each check of a list counts as one. Try again later."
            ),
            n=limit,
        )


def _key(target: Target) -> dict[str, str]:
    return {"phone_index": target.phone_index} if target.phone_index else {"id_hash": target.id_hash or ""}
