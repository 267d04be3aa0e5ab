"""Screens of rules."""
