"""The screens, a folder per work area."""
