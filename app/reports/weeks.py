"""Weeks of local dates from Monday to Sunday, identified by their Monday, and when a report is due."""

from __future__ import annotations

import datetime as dt

WEEK = dt.timedelta(days=7)


def last_complete(day: dt.date) -> dt.date:
    """Return the Monday of the last week that was over before the day."""
    return monday_of(day) - WEEK


def monday_of(day: dt.date) -> dt.date:
    """Return the Monday of the week that contains a day."""
    return day - dt.timedelta(days=day.weekday())


def sunday_of(week: dt.date) -> dt.date:
    """Return the last day of a week."""
    return week + dt.timedelta(days=6)


def last_due(now: dt.datetime, weekday: int, at: dt.time) -> dt.datetime:
    """Return the latest moment up to ``now`` (local, with zone) on that weekday (1 is Monday) and time."""
    day = monday_of(now.date()) + dt.timedelta(days=weekday - 1)
    moment = dt.datetime.combine(day, at, now.tzinfo)
    return moment if moment <= now else dt.datetime.combine(day - WEEK, at, now.tzinfo)
