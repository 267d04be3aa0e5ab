"""Permissions that roles give to people, read from the database as it is now."""

from __future__ import annotations

from collections.abc import Iterable

from flask_appbuilder.security.sqla.models import (
    Permission,
    PermissionView,
    ViewMenu,
    assoc_permissionview_role,
    assoc_user_role,
)
from sqlalchemy import Select, exists, select, tuple_
from sqlalchemy.orm import selectinload

from app.extensions import db
from app.models import Staff


def holders(*rights: tuple[str, str]) -> list[Staff]:
    """Return the active people whose roles give them all of the (permission, view) pairs, ordered by id."""
    query = select(Staff).where(Staff.active.is_(True)).order_by(Staff.id)
    for right in rights:
        query = query.where(Staff.id.in_(_people_with(*right)))
    return list(db.session.scalars(query.options(selectinload(Staff.roles))))


def _people_with(permission: str, view: str) -> Select[tuple[int]]:
    return (
        select(assoc_user_role.c.user_id)
        .join(assoc_permissionview_role, assoc_permissionview_role.c.role_id == assoc_user_role.c.role_id)
        .join(PermissionView, assoc_permissionview_role.c.permission_view_id == PermissionView.id)
        .join(Permission, PermissionView.permission_id == Permission.id)
        .join(ViewMenu, PermissionView.view_menu_id == ViewMenu.id)
        .where(Permission.name == permission, ViewMenu.name == view)
    )


def holds(person: Staff, permission: str, view: str) -> bool:
    """Return whether a person is active and has a role with the permission on the view."""
    return holds_any(person, [(permission, view)])


def holds_any(person: Staff, rights: Iterable[tuple[str, str]]) -> bool:
    """Return whether a person is active and has a role with one of the (permission, view) pairs."""
    if not person.active or not person.roles:
        return False
    query = (
        select(PermissionView.id)
        .join(Permission, PermissionView.permission_id == Permission.id)
        .join(ViewMenu, PermissionView.view_menu_id == ViewMenu.id)
        .join(assoc_permissionview_role, assoc_permissionview_role.c.permission_view_id == PermissionView.id)
        .where(
            tuple_(Permission.name, ViewMenu.name).in_(list(rights)),
            assoc_permissionview_role.c.role_id.in_([role.id for role in person.roles]),
        )
    )
    return bool(db.session.scalar(select(exists(query))))
