"""The rules file: its schema, applying and exporting it."""
