"""Fixtures of tests/reminders, reused for the screens of reminders."""

from __future__ import annotations

from tests.reminders.conftest import office

__all__ = ["office"]
