"""Light and dark pages: what a person chose, and the media for which the dark colours hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, g, request
from flask_babel import lazy_gettext

from app.extensions import db


@dataclass(frozen=True)
class Theme:
    """A choice of colours: the ``color-scheme`` of the page, and the media of dark.css, never print."""

    name: str
    text: Any
    scheme: str
    media: str


_THEMES = (
    Theme("light", lazy_gettext("Light"), "light", "not all"),
    Theme("dark", lazy_gettext("Dark"), "dark", "screen"),
    Theme("system", lazy_gettext("As the system"), "light dark", "screen and (prefers-color-scheme: dark)"),
)
_BY_NAME = {each.name: each for each in _THEMES}


def themes() -> tuple[Theme, ...]:
    """Return the choices in their order."""
    return _THEMES


def theme() -> Theme:
    """Return the current user's choice; whoever is not logged in sees what the system says."""
    return _BY_NAME[getattr(g.get("user"), "theme", "system")]


def choose() -> None:
    """Store the posted choice of the current user; one that does not exist ends in 400."""
    if (name := request.form.get("theme")) not in _BY_NAME:
        abort(400)
    g.user.theme = name
    db.session.commit()
