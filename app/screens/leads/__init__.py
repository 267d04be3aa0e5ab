"""Screens of leads."""
