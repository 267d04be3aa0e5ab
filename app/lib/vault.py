"""Encryption of stored secrets with keys derived from SECRET_KEY, one for each purpose."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Settings


def vault(config: Settings, purpose: bytes) -> Fernet:
    """Return the cipher for secrets of a purpose.

    Decrypting raises InvalidToken when SECRET_KEY was changed.
    """
    key = HKDF(hashes.SHA256(), 32, None, purpose).derive(config.secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
