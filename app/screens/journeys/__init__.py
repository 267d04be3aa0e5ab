"""The journeys, their versions and editor, and the customers who go through them."""
