"""Lead Monitor: the application factory, which binds extensions, views and commands."""

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
    """Return the web application with its commands.

    Without DATABASE_URL it uses the embedded PostgreSQL, which is started if needed until this process ends.
    Raises ConfigError for invalid settings.
    """
    # Imported here, so that programs which only start servers don't load them.
    from flask import Flask
    from flask_appbuilder import AppBuilder

    from app import cli
    from app.console import web
    from app.embedded import services
    from app.extensions import csrf, db, migrate

    settings = settings or load_settings()
    keep_private(settings.data_dir)
    app = Flask(__name__)
    app.config.from_mapping(flask_config(settings))
    if not settings.database_url:
        app.config["SQLALCHEMY_DATABASE_URI"] = services(settings, redis=False).database_url
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(Path(__file__).parent / "translations")
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(__file__).parent.parent / "migrations"))
    web.init_app(app)
    csrf.init_app(app)
    cli.init_app(app)
    with app.app_context():
        appbuilder = AppBuilder(update_perms=False)
        appbuilder.init_app(app, db.session)
        from app import views

        views.register(appbuilder)
    return app
