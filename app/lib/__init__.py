"""What any program could use: nothing here knows leads, rules or Flask-AppBuilder."""
