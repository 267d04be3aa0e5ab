"""Changes of all leads that a list's filters leave."""
