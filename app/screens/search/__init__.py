"""Search over everything, in the top bar."""
