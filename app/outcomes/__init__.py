"""Outcomes: what customers bought, told by the bank's own system for all of them alike."""
