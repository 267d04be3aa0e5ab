"""Screens of leads: list, import wizard, bulk changes, tags, segments, do-not-disturb list, branches."""
