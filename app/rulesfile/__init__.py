"""The rules file: apply, export, and its schema."""
