"""What the person at the screen may do, read once a request; the views themselves still check every call."""

from __future__ import annotations

from typing import Any

from flask import current_app, g
from flask_appbuilder.security.sqla.models import Permission, PermissionView, Role, ViewMenu
from sqlalchemy import select

from app.extensions import db


def may(permission: str, view: str) -> bool:
    """Whether the person has the permission on the view; decides what a page offers, not what it allows."""
    return (permission, view) in _granted()


def me() -> str:
    """The log-in name of the person at the screen."""
    return str(g.user.username)


def view_named(name: str) -> Any | None:
    """The registered view of a class or endpoint name."""
    return _views().get(name)


def view_of_model(model: type[Any]) -> Any | None:
    """The screen that shows rows of a table, None when there is none."""
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        if getattr(view, "model", None) is model:
            return view
    return None


def view_of_table(name: str) -> Any | None:
    """The screen that shows rows of a table by the table's name, None when there is none."""
    for view in current_app.appbuilder.baseviews:  # type: ignore[attr-defined]
        table = getattr(getattr(view, "model", None), "__tablename__", None)
        if (getattr(view, "subject", "") or table) == name:
            return view
    return None


def _views() -> dict[str, Any]:
    return {view.endpoint: view for view in current_app.appbuilder.baseviews}  # type: ignore[attr-defined]


def _granted() -> set[tuple[str, str]]:
    if "granted" not in g:
        g.granted = _read()
    granted: set[tuple[str, str]] = g.granted
    return granted


def _read() -> set[tuple[str, str]]:
    user = g.get("user")
    if user is None or not user.is_authenticated or not user.is_active or not user.roles:
        return set()
    roles = current_app.appbuilder.sm.get_user_roles(user)  # type: ignore[attr-defined]
    # get_user_roles_permissions of Flask-AppBuilder makes an object of every row, the longest part of a page.
    pairs = (
        select(Permission.name, ViewMenu.name)
        .select_from(PermissionView)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .where(PermissionView.role.any(Role.id.in_([role.id for role in roles])))
    )
    return set(db.session.execute(pairs).tuples())
