"""The home page by role."""

from __future__ import annotations

from itertools import chain
from typing import Any

from flask import g, redirect, url_for
from flask_appbuilder import expose
from flask_appbuilder.views import IndexView

from app import permissions


class HomeView(IndexView):  # type: ignore[misc]
    """The first page: log-in when nobody is, else the first screen the person may open."""

    index_template = "home.html"
    #: role → name of the view at which its people begin; app/views.py fills it
    homes: dict[str, str] = {}

    @expose("/")
    def index(self) -> Any:
        """Send the person to work."""
        if not g.user or not g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_login)
        roles = {each.name for each in g.user.roles}
        own = [view for role, view in self.homes.items() if role in roles]
        menu = permissions.menu_names(self.appbuilder).values()
        for view in (*own, *chain.from_iterable(menu)):
            if self.appbuilder.sm.has_access("can_list", view):
                return redirect(url_for(f"{view}.list"))
        return self.render_template(self.index_template)
