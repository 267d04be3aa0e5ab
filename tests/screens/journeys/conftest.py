"""The example of a simulation, for its screens."""

from __future__ import annotations

from tests.journeys.example import draft, records

__all__ = ["draft", "records"]
