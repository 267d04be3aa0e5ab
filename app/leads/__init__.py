"""Leads: who is on the imported list. Identity, phone numbers, import and undo."""
