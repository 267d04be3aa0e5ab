"""One look at one phone number in clear: with a reason, counted, on record before it is shown."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import func, select, text

from app.errors import N_, DomainError
from app.extensions import db
from app.leads.phone import PhoneVault
from app.leads.reasons import checked_reason
from app.models import Lead, Reveal

REVEAL_LOCK = 7002
MAX_ADDRESS = 64


class TooManyReveals(DomainError):
    """The person has looked at as many numbers as an hour allows."""


def reveal(lead: Lead, reason: str | None, who: str, address: str) -> str:
    """The lead's phone number. Commits the record of the look first: no number without a row.

    ``who`` is the log-in name, ``address`` the network address of the request. Raises FieldError for a
    missing reason, TooManyReveals beyond REVEALS_PER_HOUR, LeadsError when the number can't be decrypted.
    """
    settings = current_app.config["SETTINGS"]
    said = checked_reason(reason)
    phone = PhoneVault.of(settings).decrypt(lead.phone_cipher)
    _check_rate(who, settings.reveals_per_hour)
    db.session.add(Reveal(lead_id=lead.id, reason=said, revealed_by=who, address=address[:MAX_ADDRESS]))
    db.session.commit()
    return phone


def _check_rate(who: str, limit: int) -> None:
    """Count under a lock of the person's own, so that the limit holds over all processes."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(:kind, hashtext(:who))"), {"kind": REVEAL_LOCK, "who": who}
    )
    recent = select(func.count()).where(
        Reveal.revealed_by == who, Reveal.revealed_at > func.clock_timestamp() - text("interval '1 hour'")
    )
    if (db.session.scalar(recent) or 0) >= limit:
        raise TooManyReveals(
            N_("You have looked at %(n)s phone numbers within an hour, which is the limit. Try again later."),
            n=limit,
        )
