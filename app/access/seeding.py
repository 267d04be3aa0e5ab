"""Seeding of the built-in roles from the table of permissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from flask_appbuilder.security.sqla.models import Permission, PermissionView, Role, ViewMenu
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app import permissions
from app.audit.events import event
from app.extensions import db

Pair = tuple[str, str]
Named = TypeVar("Named", Permission, Role, ViewMenu)


def seed_permissions(menu: Mapping[str, Iterable[str]]) -> None:
    """Set the built-in roles to what app/permissions.py says for the ``menu`` of areas and views. Idempotent.

    Roles added by an administrator are left alone. Permissions that a role gained or lost are logged.
    """
    granted = {name: permissions.granted(name, menu) for name in permissions.ROLES.values()} | {
        "Public": set()
    }
    roles = _by_name(Role, granted)
    stored = _pairs(set().union(*granted.values()))
    db.session.flush()
    changed = []
    for name, after in granted.items():
        before = {_names(pair) for pair in roles[name].permissions}
        if before != after:
            roles[name].permissions = [stored[names] for names in sorted(after)]
            changed.append((roles[name].id, name, sorted(after - before), sorted(before - after)))
    db.session.commit()
    for role_id, name, given, taken in changed:
        event("permissions_seeded", "ab_role", role_id, name, given=_lines(given), taken=_lines(taken))


def _pairs(wanted: set[Pair]) -> dict[Pair, PermissionView]:
    """Return the stored pairs of permission and view by their names, adding those that are missing."""
    both = joinedload(PermissionView.permission), joinedload(PermissionView.view_menu)
    stored = {_names(pair): pair for pair in db.session.scalars(select(PermissionView).options(*both))}
    granted = _by_name(Permission, {permission for permission, _view in wanted})
    views = _by_name(ViewMenu, {view for _permission, view in wanted})
    for permission, view in sorted(wanted - stored.keys()):
        stored[permission, view] = PermissionView(permission=granted[permission], view_menu=views[view])
        db.session.add(stored[permission, view])
    return stored


def _by_name(model: type[Named], names: Iterable[str]) -> dict[str, Named]:
    """Return the rows of a table by name, adding those that are missing."""
    stored = {row.name: row for row in db.session.scalars(select(model))}
    missing = {name: model(name=name) for name in sorted(set(names) - stored.keys())}
    db.session.add_all(missing.values())
    return stored | missing


def _names(pair: PermissionView) -> Pair:
    return pair.permission.name, pair.view_menu.name


def _lines(pairs: list[Pair]) -> list[str]:
    return [" ".join(pair) for pair in pairs]
