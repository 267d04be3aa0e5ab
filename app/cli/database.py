"""``flask db upgrade``, extended by triggers, permissions and file modes."""

from __future__ import annotations

import functools
from typing import Any

from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate import upgrade as migrate_upgrade
from flask_migrate.cli import db as db_group

from app.extensions import db
from app.lib.file_modes import tighten
from app.lib.settings import current_settings
from app.permissions import menu_names


def upgrade_database(app: Flask) -> None:
    """Migrate to the newest schema, install the change log's triggers and seed permissions. Idempotent."""
    with app.app_context():
        migrate_upgrade()
        _seed()


def _seed() -> None:
    from app.access.seeding import seed_permissions
    from app.audit.install import install
    from app.installation import declare
    from app.outreach import guard

    with db.engine.begin() as connection:
        install(connection)
        declare(connection, current_settings())
        guard.install(connection)
    seed_permissions(menu_names(current_app.appbuilder))  # type: ignore[attr-defined]
    tighten(current_settings().data_dir)


def seed_after_upgrade() -> None:
    """Make ``flask db upgrade`` install triggers and seed permissions, so that no deployment forgets it."""
    command = db_group.commands["upgrade"]
    original = command.callback
    if original is None:
        raise RuntimeError("flask-migrate's upgrade command has no function")

    @functools.wraps(original)
    def upgrade_and_seed(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        if not kwargs.get("sql"):
            with_appcontext(_seed)()

    command.callback = upgrade_and_seed
    db_group.lead_monitor = True  # type: ignore[attr-defined]
