"""Screens of pushes."""
