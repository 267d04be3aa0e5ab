"""Permissions of the current user, read once per request; the views still check every call themselves."""

from __future__ import annotations

from typing import Any

from flask import current_app, g
from flask_appbuilder.security.sqla.models import Permission, PermissionView, Role, ViewMenu
from sqlalchemy import select

from app.extensions import db


def may(permission: str, view: str) -> bool:
    """Return whether the user has a permission on a view. Pages offer actions by it; views check again."""
    return (permission, view) in _granted()


def me() -> str:
    """Return the current user's name for log-in."""
    return str(g.user.username)


def view_named(name: str) -> Any | None:
    """Return the registered view with a class or endpoint name."""
    return _views().get(name)


def view_of_model(model: type[Any]) -> Any | None:
    """Return the screen of a model, None when there is none."""
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if getattr(view, "model", None) is model:
            return view
    return None


def view_of_table(name: str) -> Any | None:
    """Return the screen of a table by name, None when there is none."""
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        table = getattr(getattr(view, "model", None), "__tablename__", None)
        if (getattr(view, "subject", "") or table) == name:
            return view
    return None


def _views() -> dict[str, Any]:
    return {view.endpoint: view for view in current_app.appbuilder.baseviews}  # type: ignore[attr-defined]


def _granted() -> set[tuple[str, str]]:
    if "granted" not in g:
        g.granted = _read_grants()
    granted: set[tuple[str, str]] = g.granted
    return granted


def _read_grants() -> set[tuple[str, str]]:
    user = g.get("user")
    if user is None or not user.is_authenticated or not user.is_active or not user.roles:
        return set()
    roles = current_app.appbuilder.sm.get_user_roles(user)  # type: ignore[attr-defined]
    # Flask-AppBuilder's get_user_roles_permissions would load every row as an object, which is slow.
    pairs = (
        select(Permission.name, ViewMenu.name)
        .select_from(PermissionView)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .where(PermissionView.role.any(Role.id.in_([role.id for role in roles])))
    )
    return set(db.session.execute(pairs).tuples())
