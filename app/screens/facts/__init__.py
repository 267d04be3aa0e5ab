"""The screens of facts."""
