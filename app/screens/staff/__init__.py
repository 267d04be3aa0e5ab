"""Screens of staff."""
