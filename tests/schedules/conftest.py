"""The fixtures of tests/push for tests of schedules."""

from __future__ import annotations

from tests.push.conftest import bank, crm, receiver

__all__ = ["bank", "crm", "receiver"]
