"""Identity of a person: the canonical ID number, and its keyed hash, which alone is stored."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, hmac
from stdnum.cn import ric

from app.errors import N_
from app.leads.errors import InvalidIdNumber
from app.leads.free_text import is_not_a_value

_ALGORITHMS: dict[str, type[hashes.HashAlgorithm]] = {"sm3": hashes.SM3, "sha256": hashes.SHA256}
_FULL = re.compile(r"[0-9]{17}[0-9X]")
_OLD = re.compile(r"[0-9]{15}")
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?E\+?[0-9]+")
_HASH = re.compile(r"[0-9a-fA-F]{64}")
#: the zone in which a day begins first
_FIRST_ZONE = dt.timezone(dt.timedelta(hours=14))
_APOSTROPHES = "'\u2018\u2019"


def canonical_id(text: str) -> str:
    """Return the 18-character form of an ID number: ASCII, upper-case X, check digit verified.

    Full-width characters, spaces and a leading apostrophe are accepted, and a 15-digit number gets its
    century and check digit. Any region code is accepted. Raises InvalidIdNumber, whose code tells whether the
    length, a character, the birth date or the check digit is wrong, or whether Excel has lost digits.
    """
    number = text if _FULL.fullmatch(text) else _compact(text)
    if _OLD.fullmatch(number):
        number = number[:6] + "19" + number[6:]
        number += ric.calc_check_digit(number + "0")
    if not _FULL.fullmatch(number):
        raise _shape_error(number)
    if number[17] != ric.calc_check_digit(number):
        raise InvalidIdNumber("id_check_digit", N_("The check digit of the ID number is wrong"))
    born = _birth_date(number[6:14])
    if born is None or born > dt.datetime.now(_FIRST_ZONE).date():
        raise InvalidIdNumber("id_birth_date", N_("The birth date in the ID number is impossible"))
    return number


def canonical_hash(text: str) -> str:
    """Return a delivered ID hash as 64 lower-case hex digits. Raises InvalidIdNumber when it is not one."""
    cleaned = text.strip()
    if not _HASH.fullmatch(cleaned):
        raise InvalidIdNumber("id_hash_format", N_("The ID hash is not 64 hexadecimal digits"))
    return cleaned.lower()


def usable_id_number(id_number: str, id_hash: str) -> str:
    """Return the ID number of a row, empty when it is masked or meaningless and the row has a hash."""
    given = id_number.strip()
    return "" if id_hash.strip() and ("*" in given or is_not_a_value(given)) else given


def _compact(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    visible = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")
    return (visible[1:] if visible[:1] and visible[0] in _APOSTROPHES else visible).upper()


def _shape_error(number: str) -> InvalidIdNumber:
    if _SCIENTIFIC.fullmatch(number):
        return InvalidIdNumber(
            "id_lost_digits",
            N_("Excel stored this as a number and lost digits: format the column as text"),
        )
    if "*" in number:
        return InvalidIdNumber("id_masked", N_("The ID number is masked: enter the whole number"))
    if not number.isascii() or not number[:-1].isdigit() or number[-1] not in "0123456789X":
        return InvalidIdNumber("id_characters", N_("The ID number contains invalid characters"))
    return InvalidIdNumber(
        "id_length", N_("An ID number has 18 (or 15) characters, this one has %(length)s"), length=len(number)
    )


# Many people of a list share a birth date, and parsing dates is most of the cost of a check.
@lru_cache(maxsize=65536)
def _birth_date(digits: str) -> dt.date | None:
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


class IdHasher:
    """Computes keyed hashes of ID numbers: HMAC with SM3 or SHA-256, as agreed with the log provider."""

    def __init__(self, algorithm: str, key: str) -> None:
        """``algorithm`` is ``sm3`` or ``sha256``; ``key`` is used as its UTF-8 bytes. Raises ValueError."""
        if algorithm not in _ALGORITHMS:
            raise ValueError(f"unknown ID hash algorithm {algorithm!r}")
        if not key:
            raise ValueError("the ID hash key is empty")
        self._base = hmac.HMAC(key.encode(), _ALGORITHMS[algorithm]())

    def hash(self, canonical: str) -> str:
        """Return the hash of a canonical ID number as 64 lower-case hex digits."""
        mac = self._base.copy()
        mac.update(canonical.encode())
        return mac.finalize().hex()
