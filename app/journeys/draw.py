"""Draws that are random and stay the same: keyed hashes of people, on arrays."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.lib.lazy import lazy
from config import Settings

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy("numpy")

#: the mixing of SplitMix64: each bit of a number changes about half of those of the result
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


class Draw:
    """The draws of a journey. The bits of a person are the first 16 hex digits of the ID hash."""

    def __init__(self, secret: bytes, journey: str) -> None:
        self._secret, self._journey = secret, journey

    @classmethod
    def of(cls, settings: Settings, journey: str) -> Draw:
        """Return the draws of a journey by the key of the ID hashes, which lasts as long as they do."""
        key = HKDF(hashes.SHA256(), length=32, salt=None, info=b"lead-monitor/journeys")
        return cls(key.derive(settings.id_hash_key.encode()), journey)

    def key(self, step: str, what: str) -> int:
        """Return the key of one draw at a step."""
        name = f"{self._journey}\0{step}\0{what}".encode()
        return int.from_bytes(hmac.digest(self._secret, name, hashlib.sha256)[:8], "big")


def places(bits: Any, key: int, also: Any = None) -> Any:
    """Return the places of people among 2³², as integers, the same for the same bits, key and number."""
    mixed = _mixed(bits ^ np.uint64(key))
    if also is not None:
        mixed = _mixed(mixed ^ also.astype(np.uint64))
    return (mixed >> np.uint64(32)).astype(np.int64)


def _mixed(values: Any) -> Any:
    for shift, factor in _MIX:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def threshold(percent: float) -> int:
    """Return the place below which a share of people is."""
    return round(percent * (1 << 32) / 100)
