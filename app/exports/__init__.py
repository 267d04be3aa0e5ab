"""Exports of whole lists as CSV or Excel, written in the background."""
