"""Readers of delivered files: CSV, JSON lines and Parquet become rows of text in one schema."""
