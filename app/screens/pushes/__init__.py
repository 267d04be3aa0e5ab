"""Pushes, their deliveries with each attempt, and push targets."""
