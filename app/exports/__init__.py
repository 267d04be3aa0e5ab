"""Masked exports of whole lists, made in the background."""
