"""Products: what the bank sells, to whom, and what it earns by it."""
