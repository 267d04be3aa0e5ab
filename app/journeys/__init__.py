"""Journeys 营销旅程: what they are, whether they can run, and how customers move through them."""
