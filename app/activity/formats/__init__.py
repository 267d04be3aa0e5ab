"""Delivered files in, text rows out: one batch schema for CSV, JSON lines and Parquet."""
