"""Reminders: what needs a person's attention, derived from the tables, shown in the product and mailed.

No other package reports events to this one: each run checks the tables. A new fact rings, a fact that no
longer holds stops ringing, and nothing is lost when a process dies in between.
"""

from app.reminders.checks import run_checks

__all__ = ["run_checks"]
