"""Frequency caps on arrays: at most so many contacts with a person in so many local days, today included.

``compliance`` says the same of one contact in SQL.
"""

from __future__ import annotations

from typing import NamedTuple

from app.outreach.settings import OutreachSettings


class Cap(NamedTuple):
    """At most ``most`` contacts by a channel, None for all, in ``days`` local days, today included."""

    reason: str
    channel: str | None
    most: int
    days: int

    def counts(self, channel: str) -> bool:
        """Whether a contact by a channel counts against it."""
        return self.channel in (None, channel)

    def first_day(self, day: int) -> int:
        """Return the first of the days in which contacts count on a day."""
        return day - self.days + 1


def caps_of(settings: OutreachSettings) -> list[Cap]:
    """Return the caps of the settings, in the order of their reasons."""
    named = (("cap_channel", "sms"), ("cap_channel", "call"), ("cap_total", None))
    return [
        Cap(reason, channel, most, getattr(settings, f"{channel or 'total'}_days"))
        for reason, channel in named
        if (most := getattr(settings, f"{channel or 'total'}_cap")) is not None
    ]
