"""Schedules: their definition, calendar, plan of pushes, preview and stored versions."""
