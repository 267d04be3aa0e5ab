"""Screens of hits."""
