"""The time line of a customer."""
