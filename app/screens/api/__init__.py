"""Screens of api."""
