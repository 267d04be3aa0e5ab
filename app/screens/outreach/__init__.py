"""Screens of outreach: sending, batches, contacts, templates, rules, gateways, and the sandbox."""
