"""The log-in form and log-out."""

from __future__ import annotations

from typing import Any

from flask_appbuilder import expose
from flask_appbuilder.security.views import AuthDBView


class LogInView(AuthDBView):  # type: ignore[misc]
    """Log-in by user name and password. Log-out is by POST, so that no other site's link or image does it."""

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        """End the session."""
        return super().logout()
