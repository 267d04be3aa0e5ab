"""What a person may do by their roles, read from the database as it is now."""

from __future__ import annotations

from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
)
from sqlalchemy import exists, select

from app.extensions import db
from app.models import Staff


def holds(person: Staff, permission: str, view: str) -> bool:
    """Whether an active person's roles give them the permission on the view."""
    if not person.active or not person.roles:
        return False
    query = (
        select(PermissionView.id)
        .join(Permission, PermissionView.permission_id == Permission.id)
        .join(ViewMenu, PermissionView.view_menu_id == ViewMenu.id)
        .join(assoc_permissionview_role, assoc_permissionview_role.c.permission_view_id == PermissionView.id)
        .where(
            Permission.name == permission,
            ViewMenu.name == view,
            assoc_permissionview_role.c.role_id.in_([role.id for role in person.roles]),
        )
    )
    return bool(db.session.scalar(select(exists(query))))
