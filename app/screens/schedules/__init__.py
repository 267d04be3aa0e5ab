"""Screens of schedules."""
