"""Secrets at rest: encrypted with a key derived from SECRET_KEY, one for each purpose."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Settings


def vault(config: Settings, purpose: bytes) -> Fernet:
    """Encrypts and decrypts secrets of a purpose. Raises InvalidToken for another SECRET_KEY's."""
    key = HKDF(hashes.SHA256(), 32, None, purpose).derive(config.secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
