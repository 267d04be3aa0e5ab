"""The rules and their versions, the rule editor with its coverage, and back-tests."""
