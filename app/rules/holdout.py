"""The holdout group: the stable random share of leads that a rule catches but nobody contacts."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.models import Hit
from config import Settings


class Lottery:
    """Draws the holdout group of one rule: by person, not by lead, and for good.

    A person's place between 0 and 1 is a keyed hash of the rule's code and the ID hash. Importing the
    list again changes nothing, a larger share keeps everybody of a smaller one, and two rules draw
    independently. The key comes from ID_HASH_KEY, which lives as long as the ID hashes do.
    """

    def __init__(self, settings: Settings, rule_code: str) -> None:
        key = HKDF(hashes.SHA256(), length=32, salt=None, info=b"lead-monitor/holdout").derive(
            settings.id_hash_key.encode()
        )
        self._rule = hmac.new(key, f"{rule_code}\0".encode(), hashlib.sha256)

    def place(self, id_hash: str) -> float:
        """Where a person stands, 0 ≤ place < 1."""
        drawn = self._rule.copy()
        drawn.update(id_hash.encode())
        return int.from_bytes(drawn.digest()[:6], "big") / 2**48

    def holds_out(self, id_hash: str, percent: float) -> bool:
        """Whether a share of ``percent`` holds this person out."""
        return self.place(id_hash) < percent / 100


def is_held_out(hit: Hit) -> bool:
    """Whether the customer of this hit must not be contacted, so that the effect of contacting shows.

    It is the group of the rule version that made the hit: a share that changes later counts for new hits.
    """
    return hit.holdout
