"""The fixtures of tests/audit, for its screens."""

from __future__ import annotations

from tests.audit.conftest import entries

__all__ = ["entries"]
