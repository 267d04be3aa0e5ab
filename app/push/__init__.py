"""Pushes: when hits go out. Planning only so far; sending comes with the deliveries."""
