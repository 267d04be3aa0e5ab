"""The fixtures of tests/rules, for its screens."""

from __future__ import annotations

from tests.rules.conftest import leads

__all__ = ["leads"]
