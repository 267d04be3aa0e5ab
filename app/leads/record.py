"""Changes of a single lead on a screen: identity, texts, phone and deletion."""

from __future__ import annotations

from sqlalchemy import select

from app.errors import FieldError
from app.extensions import db
from app.leads import number_limit, suppression
from app.leads.errors import InvalidIdNumber, InvalidPhone
from app.leads.free_text import clean_text, unusable_characters
from app.leads.masking import mask_phone
from app.leads.phone import PhoneVault, normalise_phone
from app.lib import clock
from app.models import Lead
from config import Settings


def set_identity(lead: Lead, id_number: str, settings: Settings, user: str) -> None:
    """Set the lead's keyed hash from the typed ID number, which itself is not stored.

    Raises FieldError for an invalid number, and for one that another lead has. The latter tells that the
    person is on the list, and therefore counts as a search by number (``number_limit.record_search``).
    """
    try:
        target = suppression.person_target(id_number, settings)
    except InvalidIdNumber as error:
        raise FieldError("id_number", error.message, **error.values) from None
    taken = db.session.scalar(
        select(Lead.lead_no).where(
            Lead.id_hash == target.id_hash, Lead.deleted_at.is_(None), Lead.id != (lead.id or 0)
        )
    )
    if taken:
        number_limit.record_search(target, Lead.__tablename__, user)
        raise FieldError("id_number", "This person is already on the list as %(lead_no)s.", lead_no=taken)
    lead.id_hash = str(target.id_hash)


def set_texts(lead: Lead) -> list[str]:
    """Remove unusable characters from the typed name and source. Return them as ``U+200B``.

    Raises FieldError when nothing of the name is left.
    """
    removed = [*unusable_characters(lead.name), *unusable_characters(lead.source or "")]
    lead.name, lead.source = clean_text(lead.name), clean_text(lead.source or "")
    if not lead.name:
        raise FieldError("name", "There is no customer name")
    return removed


def set_phone(lead: Lead, phone: str, settings: Settings) -> None:
    """Encrypt and index the typed phone number. Raises FieldError when it is invalid."""
    try:
        number = normalise_phone(phone)
    except InvalidPhone as error:
        raise FieldError("phone", error.message, **error.values) from None
    vault = PhoneVault.of(settings)
    lead.phone_cipher = vault.encrypt(number)
    lead.phone_index = vault.index(number)
    lead.phone_masked = mask_phone(number)


def soft_delete(lead: Lead) -> None:
    """Mark the lead as deleted. Its row is kept until retention purges it."""
    lead.deleted_at = clock.now()
