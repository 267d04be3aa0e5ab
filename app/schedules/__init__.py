"""Schedules: when hits are pushed; definition, calendar, plan, preview, versions."""
