"""Overridden templates are listed with a reason, and none of Flask-AppBuilder's other ones is used."""

from __future__ import annotations

import re
from pathlib import Path

import flask_appbuilder
from flask import Flask

from app import labels, permissions

ROOT = Path(__file__).parents[2]
OURS = ROOT / "app" / "templates"
THEIRS = Path(flask_appbuilder.__file__).parent / "templates"


def listed() -> dict[str, str]:
    """Return the reasons of overrides by template, from docs/frontend.md."""
    text = (ROOT / "docs" / "frontend.md").read_text(encoding="utf-8")
    table = text.split("## Overridden templates")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE))


def overridden() -> set[str]:
    return {str(path.relative_to(OURS)) for path in (OURS / "appbuilder").rglob("*.html")}


def test_every_override_is_listed_with_a_reason() -> None:
    assert set(listed()) == overridden()
    assert all(len(reason) > 20 for reason in listed().values())


def test_every_override_replaces_a_template_that_exists() -> None:
    assert [name for name in overridden() if not (THEIRS / name).is_file()] == []


def test_generated_screens_use_our_templates_and_widgets(app: Flask) -> None:
    names = ("list_template", "show_template", "add_template", "edit_template", "form_template")
    widgets = ("list_widget", "search_widget", "show_widget", "add_widget", "edit_widget")
    used = set()
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if not type(view).__module__.startswith("app."):
            continue
        used |= {getattr(view, name) for name in names if hasattr(view, name)}
        used |= {getattr(view, name).template for name in widgets if hasattr(view, name)}
    assert used
    assert [name for name in used if name.startswith("appbuilder/")] == []


def test_every_role_has_a_word() -> None:
    assert set(permissions.ROLES.values()) <= set(labels.ROLE)
