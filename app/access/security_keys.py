"""Security keys as a second factor (WebAuthn), by the library py_webauthn.

A challenge is good for one answer and is kept by the caller in between. The place is the origin of the pages:
that of PUBLIC_URL, or else the one that was asked. Keys need a host name; an IP address has none.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import select, update

from app.errors import DomainError
from app.extensions import db
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import FactorKind, SecondFactor, Staff

if TYPE_CHECKING:
    import webauthn
    from webauthn.helpers import exceptions, structs
else:
    webauthn = lazy("webauthn")
    exceptions = lazy("webauthn.helpers.exceptions")
    structs = lazy("webauthn.helpers.structs")

NAME = "Lead Monitor"


class Place(NamedTuple):
    """Where keys are used: the host name that they are bound to, and the origin of the pages."""

    host: str
    origin: str


def place(asked: str) -> Place | None:
    """Return the place of keys for pages at an address, None where keys can't be used."""
    parts = urlsplit(current_settings().public_url or asked)
    host = parts.hostname or ""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return None
    return Place(host, f"{parts.scheme}://{parts.netloc}") if host else None


def to_add(user: Staff, at: Place) -> tuple[str, bytes]:
    """Return the browser's options for a new key as JSON, and the challenge in them."""
    known = [structs.PublicKeyCredentialDescriptor(id=each) for each in _credentials(user)]
    options = webauthn.generate_registration_options(
        rp_id=at.host,
        rp_name=NAME,
        user_id=str(user.id).encode(),
        user_name=user.username,
        user_display_name=user.get_full_name(),
        exclude_credentials=known,
    )
    return webauthn.options_to_json(options), options.challenge


def add(user: Staff, name: str, at: Place, challenge: bytes, answer: str) -> None:
    """Store the key that answered. Does not commit. Raises DomainError for an answer that does not hold."""
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=at.host,
            expected_origin=at.origin,
        )
    except exceptions.WebAuthnException as error:
        raise _refused() from error
    db.session.add(
        SecondFactor(
            user_id=user.id,
            kind=FactorKind.KEY,
            name=name,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
        )
    )
    db.session.flush()


def to_prove(user: Staff, at: Place) -> tuple[str, bytes] | None:
    """Return the browser's options for using a key as JSON, and the challenge; None without a key."""
    known = [structs.PublicKeyCredentialDescriptor(id=each) for each in _credentials(user)]
    if not known:
        return None
    options = webauthn.generate_authentication_options(rp_id=at.host, allow_credentials=known)
    return webauthn.options_to_json(options), options.challenge


def is_right(user: Staff, at: Place, challenge: bytes, answer: str) -> bool:
    """Return whether a key of the user answered the challenge. Commits."""
    try:
        given = webauthn.helpers.parse_authentication_credential_json(answer)
        mine = (SecondFactor.user_id == user.id, SecondFactor.credential_id == given.raw_id)
        key = db.session.scalar(select(SecondFactor).where(*mine).with_for_update())
        if key is None or key.public_key is None:
            db.session.rollback()
            return False
        proven = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=at.host,
            expected_origin=at.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count or 0,
        )
    except exceptions.WebAuthnException:
        db.session.rollback()
        return False
    used = update(SecondFactor).where(SecondFactor.id == key.id)
    db.session.execute(used.values(sign_count=proven.new_sign_count, last_used_at=clock.BEGAN))
    db.session.commit()
    return True


def has_key(user: Staff) -> bool:
    """Return whether the user has a security key."""
    return bool(_credentials(user))


def _credentials(user: Staff) -> list[bytes]:
    keys = select(SecondFactor.credential_id).where(
        SecondFactor.user_id == user.id, SecondFactor.kind == FactorKind.KEY
    )
    return [each for each in db.session.scalars(keys) if each is not None]


def _refused() -> DomainError:
    return DomainError("The security key did not answer as expected. Try again.")
