"""The fixtures of tests/push, for what pushes are planned by."""

from __future__ import annotations

from tests.push.conftest import bank, crm, receiver

__all__ = ["bank", "crm", "receiver"]
