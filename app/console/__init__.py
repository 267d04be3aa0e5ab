"""The kit on Flask-AppBuilder that every screen is made of."""
