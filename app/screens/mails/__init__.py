"""Screens of mails to people."""
