"""The home page, which depends on the role."""

from __future__ import annotations

from itertools import chain
from typing import Any

from flask import abort, g, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.views import IndexView

from app import permissions
from app.console import theme


class HomeView(IndexView):  # type: ignore[misc]
    """The first page: the log-in, or the first screen that the user may open."""

    index_template = "home.html"
    #: role → name of its home view; app/views.py fills it
    homes: dict[str, str] = {}

    @expose("/")
    def index(self) -> Any:
        """Redirect to the log-in or to the user's home view."""
        if not g.user or not g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        roles = {each.name for each in g.user.roles}
        own = [view for role, view in self.homes.items() if role in roles]
        menu = permissions.menu_names(self.appbuilder).values()
        for view in (*own, *chain.from_iterable(menu)):
            if self.appbuilder.sm.has_access("can_list", view):
                return redirect(url_for(f"{view}.list"))
        return self.render_template(self.index_template)

    @expose("/theme", methods=["POST"])
    def theme(self) -> Any:
        """Keep the user's choice of light or dark pages."""
        if not g.user or not g.user.is_authenticated:
            abort(401)
        theme.choose()
        return "", 204
