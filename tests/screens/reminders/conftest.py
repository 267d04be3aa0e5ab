"""The fixtures of tests/reminders, for its screens."""

from __future__ import annotations

from tests.reminders.conftest import office

__all__ = ["office"]
