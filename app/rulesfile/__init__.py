"""The configuration file: its kinds, its schema, applying, comparing and exporting it."""
