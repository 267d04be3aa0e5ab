"""Reminders: what a person should look at, found in what is stored, and mailed to whom wants that.

Nothing has to tell this package that something happened: each round asks the tables. What is true and new
rings, what is true no more stops ringing, and nothing is lost when a process dies in between.
"""

from app.reminders.round import go_round

__all__ = ["go_round"]
