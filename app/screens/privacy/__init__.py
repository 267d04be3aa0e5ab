"""Screens of privacy."""
