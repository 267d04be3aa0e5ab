"""Leads: people on the imported list, their identity and phones, import, undo and do-not-disturb list."""
