"""Schedules and their versions, the schedule editor with its preview, test pushes, and holidays."""
