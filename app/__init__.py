"""Lead Monitor: the factories of the application, for commands and jobs and for the web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.lib import collector
from app.lib.file_modes import keep_private
from config import Settings, flask_config, load_settings

if TYPE_CHECKING:
    from flask import Flask


@collector.paused()
def create_app(settings: Settings | None = None) -> Flask:
    """Return the application of commands and jobs.

    Without DATABASE_URL it uses the embedded PostgreSQL, which is started if needed until this process ends.
    Raises ConfigError for invalid settings.
    """
    # Imported here, so that programs which only start servers don't load them.
    from flask_babel import Babel

    from app import cli
    from app.application import LeadMonitor
    from app.embedded import services
    from app.extensions import db, migrate

    settings = settings or load_settings()
    keep_private(settings.data_dir)
    app = LeadMonitor(__name__)
    app.config.from_mapping(flask_config(settings))
    if not settings.database_url:
        app.config["SQLALCHEMY_DATABASE_URI"] = services(settings, redis=False).database_url
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(Path(__file__).parent / "translations")
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(__file__).parent.parent / "migrations"))
    Babel(app)
    cli.init_app(app)
    return app


@collector.paused()
def create_web(settings: Settings | None = None) -> Flask:
    """Return the application of `create_app` with its pages, API and log-in."""
    app = create_app(settings)
    _ = app.appbuilder  # type: ignore[attr-defined]
    return app
