"""The fixtures of tests/push, for its screens."""

from __future__ import annotations

from tests.push.conftest import bank, crm, receiver

__all__ = ["bank", "crm", "receiver"]
