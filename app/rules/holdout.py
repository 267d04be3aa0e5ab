"""The holdout group: a stable random share of a rule's leads that is never contacted."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config import Settings


class Lottery:
    """The permanent random draw of a rule's holdout group, by person and not by lead.

    A person's place between 0 and 1 is a keyed hash of the rule's code and the ID hash. Importing the list
    again changes nothing, a larger share contains every smaller one, and the draws of two rules are
    independent. The key is derived from ID_HASH_KEY, which lasts as long as the ID hashes.
    """

    def __init__(self, settings: Settings, rule_code: str) -> None:
        key = HKDF(hashes.SHA256(), length=32, salt=None, info=b"lead-monitor/holdout").derive(
            settings.id_hash_key.encode()
        )
        self._rule = hmac.new(key, f"{rule_code}\0".encode(), hashlib.sha256)

    def place(self, id_hash: str) -> float:
        """Return the place of a person, 0 ≤ place < 1."""
        digest = self._rule.copy()
        digest.update(id_hash.encode())
        return int.from_bytes(digest.digest()[:6], "big") / 2**48

    def holds_out(self, id_hash: str, percent: float) -> bool:
        """Whether a holdout share of ``percent`` includes the person."""
        return self.place(id_hash) < percent / 100
