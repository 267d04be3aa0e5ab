"""Screens of reminders: the user's reminders, and which of them also come by e-mail."""
