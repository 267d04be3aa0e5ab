"""The fixtures of tests/segments, for its screens."""

from __future__ import annotations

from tests.segments.conftest import bank, furnished

__all__ = ["bank", "furnished"]
