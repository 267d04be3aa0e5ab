"""Saved filters of the change log become saved views, keep their permissions, and come back."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_migrate import downgrade, upgrade

from app.extensions import db
from tests.database import superuser_of

_BEFORE = """
INSERT INTO saved_filter (id, view, name, filters, owner)
    VALUES (nextval('saved_filter_id_seq'), 'ChangeLogView', '登录', '[["kind", "is", "log_in"]]', 'anna');
INSERT INTO ab_view_menu (id, name) VALUES (1, 'SavedFilterView');
"""
_LATER = """
INSERT INTO saved_view (view, name, filters, owner) VALUES ('LeadView', '北京', '[]', 'anna');
"""


def test_saved_filters_become_views_and_come_back(empty_app: Flask) -> None:
    def found(query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in superuser_of(db.engine).execute(query)]

    with empty_app.app_context():
        upgrade(revision="0067")
        superuser_of(db.engine).execute(_BEFORE)
        upgrade(revision="0068")
        kept = found("SELECT id, name, owner, filters, columns, density, role_id FROM saved_view")
        assert kept == [(1, "登录", "anna", [["kind", "is", "log_in"]], [], "standard", None)]
        assert found("SELECT name FROM ab_view_menu") == [("SavedViewView",)]
        superuser_of(db.engine).execute(_LATER)
        downgrade(revision="0067")
        assert found("SELECT id, name FROM saved_filter") == [(1, "登录")]
        assert found("SELECT name FROM ab_view_menu") == [("SavedFilterView",)]
        upgrade(revision="0068")
        assert found("SELECT name FROM saved_view") == [("登录",)]
