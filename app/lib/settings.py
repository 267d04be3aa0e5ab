"""The settings of the current application."""

from __future__ import annotations

from flask import current_app

from config import Settings


def current_settings() -> Settings:
    """Return the settings of the current application."""
    settings: Settings = current_app.config["SETTINGS"]
    return settings
