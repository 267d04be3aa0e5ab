"""Screens of hits: the list and page of a hit, my work, the workspace, and the marketing effect."""
