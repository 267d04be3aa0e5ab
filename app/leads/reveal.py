"""One look at one phone number in clear: with a reason, counted, on record before it is shown."""

from __future__ import annotations

from flask import current_app

from app.extensions import db
from app.leads import lookup
from app.leads.phone import PhoneVault
from app.leads.reasons import checked_reason
from app.models import Lead, Reveal

MAX_ADDRESS = 64


def reveal(lead: Lead, reason: str | None, who: str, address: str) -> str:
    """The lead's phone number. Commits the record of the look first: no number without a row.

    ``who`` is the log-in name, ``address`` the network address of the request. Raises FieldError for a
    missing reason, TooManyNumbers beyond REVEALS_PER_HOUR, LeadsError when the number can't be decrypted.
    """
    settings = current_app.config["SETTINGS"]
    said = checked_reason(reason)
    phone = PhoneVault.of(settings).decrypt(lead.phone_cipher)
    lookup.take(who)
    db.session.add(Reveal(lead_id=lead.id, reason=said, revealed_by=who, address=address[:MAX_ADDRESS]))
    db.session.commit()
    return phone
