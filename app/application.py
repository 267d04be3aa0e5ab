"""The application object, whose web part is loaded when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from threading import RLock
from typing import Any, cast

from flask import Flask
from flask_appbuilder import AppBuilder

from app.extensions import csrf, db

_REGISTERING = RLock()


class LeadMonitor(Flask):
    """The application of commands, jobs and, once its `appbuilder` has been asked for, pages."""

    @cached_property
    def appbuilder(self) -> AppBuilder:
        """Register pages, API and log-in, which takes a second, and return their Flask-AppBuilder."""
        from app import views
        from app.console import web

        web.init_app(self)
        csrf.init_app(self)
        with self.app_context():
            appbuilder = AppBuilder(update_perms=False)
            appbuilder.init_app(self, db.session)
            views.register(appbuilder)
        return cast(AppBuilder, appbuilder)

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add what every template may use; those of mails link to pages as well."""
        # Mails are written by several threads, and none may see the pages half registered.
        with _REGISTERING:
            _ = self.appbuilder
        super().update_template_context(context)
