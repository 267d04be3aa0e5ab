"""The screen of products."""
