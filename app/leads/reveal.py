"""Reveal of a phone number: with a reason, limited, and recorded before the number is shown."""

from __future__ import annotations

from flask import current_app

from app.extensions import db
from app.leads import number_limit
from app.leads.phone import PhoneVault
from app.leads.reasons import checked_reason
from app.models import Lead, Reveal

MAX_ADDRESS = 64


def reveal(lead: Lead, reason: str | None, user: str, address: str) -> str:
    """Record the reveal, commit, and return the lead's phone number.

    ``user`` is the user name, ``address`` the network address of the request. Raises FieldError for a missing
    reason, TooManyNumbers beyond REVEALS_PER_HOUR, LeadsError when the number can't be decrypted.
    """
    settings = current_app.config["SETTINGS"]
    checked = checked_reason(reason)
    phone = PhoneVault.of(settings).decrypt(lead.phone_cipher)
    number_limit.check_limit(user)
    db.session.add(Reveal(lead_id=lead.id, reason=checked, revealed_by=user, address=address[:MAX_ADDRESS]))
    db.session.commit()
    return phone
