"""Fixtures of tests/segments, reused for the screens of segments."""

from __future__ import annotations

from tests.segments.conftest import bank, furnished

__all__ = ["bank", "furnished"]
