"""Institutions, log deliveries and their refused files, the completeness calendar, and T+1 runs."""
