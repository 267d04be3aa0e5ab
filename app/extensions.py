"""Unbound extension singletons; create_app() binds them.

Flask-AppBuilder keeps the views of the app it was bound to, so each app makes its own AppBuilder.
"""

from __future__ import annotations

from flask_appbuilder.models.sqla.base import SQLA
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

db = SQLA()
migrate = Migrate()
csrf = CSRFProtect()
