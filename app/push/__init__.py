"""Pushes: creating them when a schedule is due, and sending their deliveries with retries."""
