"""Flask extensions, bound by create_app().

Flask-AppBuilder is not among them: it keeps the views of its app, so each app creates its own AppBuilder.
"""

from __future__ import annotations

from flask_appbuilder.models.sqla.base import SQLA
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

db = SQLA()
migrate = Migrate()
csrf = CSRFProtect()
