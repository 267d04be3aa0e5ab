"""Contacts with customers: templates, compliance, batches, gateways and what came of it."""
