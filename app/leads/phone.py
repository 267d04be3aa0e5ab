"""Telephone numbers: one spelling, a mask for screens, encryption at rest and a blind index for search."""

from __future__ import annotations

import os
import re
import unicodedata

import phonenumbers
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.leads.errors import N_, InvalidPhone, LeadsError

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_DECORATION = re.compile(r"[\s().\-\u2010-\u2015\u00b7]")
_DIGITS = re.compile(r"\+?[0-9]+")
_PREFIXED_MOBILE = re.compile(r"(?:\+86|0086|86|0)(1[3-9][0-9]{9})")
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]+")
_KEY_VERSION = 1
_NONCE_BYTES = 12
_PURPOSE = b"lead-monitor/phone"


def normalise_phone(text: str) -> str:
    """The national digits of a Chinese number: ``13812345678``, ``02087654321`` (trunk zero kept).

    Forgives +86, 0086, spaces, dashes, brackets, full-width digits, a leading apostrophe and the ``.0``
    of a spreadsheet. Raises InvalidPhone for an empty, foreign or impossible number.
    """
    if _MOBILE.fullmatch(text):
        return text
    folded = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    folded = folded.strip().lstrip("'\u2018\u2019").strip()
    if not folded:
        raise InvalidPhone("phone_missing", N_("There is no phone number"))
    if _SCIENTIFIC.fullmatch(folded):
        raise InvalidPhone(
            "phone_lost_digits",
            N_("Excel stored the number as a number and lost digits: format the column as text"),
        )
    digits = _DECORATION.sub("", folded.removesuffix(".0"))
    if _MOBILE.fullmatch(digits):
        return digits
    if mobile := _PREFIXED_MOBILE.fullmatch(digits):
        return mobile[1]
    return _other_number(digits)


def _other_number(digits: str) -> str:
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    number = _parse(digits) if _DIGITS.fullmatch(digits) else None
    if number is None or number.country_code != 86 or not phonenumbers.is_valid_number(number):
        raise InvalidPhone("phone_invalid", N_("This is not a Chinese phone number"))
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(c for c in national if c.isdigit())


def _parse(digits: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, "CN")
    except phonenumbers.NumberParseException:
        return None


def mask_phone(phone: str) -> str:
    """What screens show of a normalised number: ``138****8899``, ``0571******2`` (half at most)."""
    if _MOBILE.fullmatch(phone):
        return f"{phone[:3]}****{phone[7:]}"
    area = 3 if phone[:2] in ("01", "02") or not phone.startswith("0") else 4
    area = min(area, len(phone) // 2)
    tail = max(len(phone) // 2 - area, 0)
    return phone[:area] + "*" * (len(phone) - area - tail) + phone[len(phone) - tail :]


class PhoneVault:
    """Encrypts phone numbers (AES-256-GCM) and indexes them blindly, with keys derived from ``PII_KEY``."""

    def __init__(self, pii_key: str) -> None:
        if not pii_key:
            raise ValueError("the PII key is empty")
        self._cipher = AESGCM(_derive(pii_key, _PURPOSE + b"/encrypt"))
        self._index = hmac.HMAC(_derive(pii_key, _PURPOSE + b"/index"), hashes.SHA256())

    def encrypt(self, phone: str) -> bytes:
        """Key version (1 byte), nonce (12 bytes) and ciphertext; different every time."""
        nonce = os.urandom(_NONCE_BYTES)
        return bytes((_KEY_VERSION,)) + nonce + self._cipher.encrypt(nonce, phone.encode(), _PURPOSE)

    def decrypt(self, payload: bytes) -> str:
        """The phone that ``encrypt`` was given; raises LeadsError ``phone_undecipherable``."""
        nonce, ciphertext = payload[1 : 1 + _NONCE_BYTES], payload[1 + _NONCE_BYTES :]
        try:
            if payload[:1] != bytes((_KEY_VERSION,)):
                raise InvalidTag
            return self._cipher.decrypt(nonce, ciphertext, _PURPOSE).decode()
        except (InvalidTag, ValueError):
            raise LeadsError(
                "phone_undecipherable",
                N_("The phone number can't be decrypted: PII_KEY is not the one it was stored with"),
            ) from None

    def index(self, phone: str) -> str:
        """64 hex digits that are equal exactly for equal normalised numbers; reveals nothing else."""
        mac = self._index.copy()
        mac.update(phone.encode())
        return mac.finalize().hex()


def _derive(pii_key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(pii_key.encode())
