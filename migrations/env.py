"""Alembic runs in the application's context, on its engine, against every table of its models."""

from alembic import context
from flask import current_app
from flask_appbuilder import Model

import app.models  # noqa: F401 - fills the metadata

target = Model.metadata


def run_offline() -> None:
    """Write SQL instead of running it."""
    url = current_app.extensions["migrate"].db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=target, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run in one transaction: a failing migration leaves the schema as it was."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=target, compare_type=True, compare_server_default=True
        )
        with context.begin_transaction():
            context.run_migrations()


run_offline() if context.is_offline_mode() else run_online()
