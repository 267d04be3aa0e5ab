"""Contacts with customers: templates, compliance rules, batches, gateways and outcomes."""
