"""Phone numbers: normalisation, encryption at rest and a blind index for searches."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from typing import Self

import phonenumbers
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import N_
from app.leads.errors import InvalidPhone, LeadsError
from config import Settings

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_DECORATION = re.compile(r"[\s().\-\u2010-\u2015\u00b7]")
_DIGITS = re.compile(r"\+?[0-9]+")
_PREFIXED_MOBILE = re.compile(r"(?:\+86|0086|86|0)(1[3-9][0-9]{9})")
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]+")
_SM4 = 0x80
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PURPOSE = b"lead-monitor/phone"


def normalise_phone(text: str) -> str:
    """Return the national digits of a Chinese number: ``13812345678``, ``02087654321`` (with trunk zero).

    Accepts +86, 0086, spaces, dashes, brackets, full-width digits, a leading apostrophe and the ``.0`` of a
    spreadsheet. Raises InvalidPhone for an empty, foreign or impossible number.
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
            N_("Excel stored this as a number and lost digits: format the column as text"),
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


class PhoneVault:
    """Encrypts phone numbers and computes their blind indexes.

    The first byte of a payload holds the algorithm (high bit set for SM4-GCM, else AES-256-GCM) and the
    version of the key. Payloads are encrypted with the newest key and the configured algorithm, and decrypted
    with any given key. The index has its own key, which stays when the encryption key changes.
    """

    def __init__(
        self,
        pii_key: str,
        *,
        version: int = 1,
        old_keys: Iterable[tuple[int, str]] = (),
        cipher: str = "aes-256-gcm",
        index_key: str = "",
    ) -> None:
        """``index_key`` is 64 hex digits, or empty to derive it from the key of the lowest version."""
        if not pii_key:
            raise ValueError("the PII key is empty")
        self._keys = {**dict(old_keys), version: pii_key}
        self._newest = version | (_SM4 if cipher == "sm4-gcm" else 0)
        self._ciphers: dict[int, AESGCM | _Sm4Gcm] = {}
        self.index_key = index_key or _derive(self._keys[min(self._keys)], b"/index").hex()
        self._index = hmac.HMAC(bytes.fromhex(self.index_key), hashes.SHA256())

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the vault for the settings."""
        return cls(
            settings.pii_key,
            version=settings.pii_key_version,
            old_keys=settings.pii_keys_old,
            cipher=settings.pii_cipher,
            index_key=settings.pii_index_key,
        )

    @property
    def header(self) -> bytes:
        """The first byte of new payloads; payloads with another one need rotation."""
        return bytes((self._newest,))

    def encrypt(self, phone: str) -> bytes:
        """Encrypt a phone into header (1 byte), nonce (12 bytes) and ciphertext, different every time."""
        nonce = os.urandom(_NONCE_BYTES)
        return self.header + nonce + self._cipher(self._newest).encrypt(nonce, phone.encode(), _PURPOSE)

    def decrypt(self, payload: bytes) -> str:
        """Decrypt a payload of ``encrypt``.

        Raises LeadsError ``phone_undecipherable`` when its key is missing.
        """
        nonce, ciphertext = payload[1 : 1 + _NONCE_BYTES], payload[1 + _NONCE_BYTES :]
        try:
            return self._cipher(payload[0]).decrypt(nonce, ciphertext, _PURPOSE).decode()
        except (InvalidTag, ValueError, LookupError):
            raise LeadsError(
                "phone_undecipherable",
                N_("The phone number can't be decrypted: its key is neither PII_KEY nor in PII_KEYS_OLD"),
            ) from None

    def index(self, phone: str) -> str:
        """Return the blind index of a normalised number: 64 hex digits, equal exactly for equal numbers."""
        mac = self._index.copy()
        mac.update(phone.encode())
        return mac.finalize().hex()

    def _cipher(self, header: int) -> AESGCM | _Sm4Gcm:
        """Return the cipher of a header. Raises LookupError when its key is not known."""
        if header not in self._ciphers:
            key = self._keys[header & ~_SM4]
            self._ciphers[header] = (
                _Sm4Gcm(_derive(key, b"/encrypt/sm4", 16))
                if header & _SM4
                else AESGCM(_derive(key, b"/encrypt"))
            )
        return self._ciphers[header]


class _Sm4Gcm:
    """SM4-GCM with the interface of AESGCM: a tag of 16 bytes follows the ciphertext."""

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        sealing = Cipher(self._key, modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated)
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises InvalidTag or ValueError for data that was not encrypted with this key."""
        opening = Cipher(self._key, modes.GCM(nonce, sealed[-_TAG_BYTES:])).decryptor()
        opening.authenticate_additional_data(associated)
        return opening.update(sealed[:-_TAG_BYTES]) + opening.finalize()


def _derive(pii_key: str, purpose: bytes, length: int = 32) -> bytes:
    info = _PURPOSE + purpose
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(pii_key.encode())
