"""The home page, which depends on the role."""

from __future__ import annotations

from itertools import chain
from typing import Any

from flask import abort, current_app, g, redirect, request, url_for
from flask_appbuilder import expose
from flask_appbuilder.views import IndexView

from app import permissions
from app.console import theme
from app.screens import first_steps


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
        home = self.home()
        return redirect(url_for(home)) if home else self.render_template(self.index_template)

    @classmethod
    def home(cls) -> str:
        """Return the endpoint of the user's home view, empty for a user who may open no screen."""
        roles = {each.name for each in g.user.roles}
        own = [view for role, view in cls.homes.items() if role in roles]
        appbuilder = current_app.appbuilder  # type: ignore[attr-defined]
        menu = permissions.menu_names(appbuilder).values()
        views = (*own, *chain.from_iterable(menu))
        may_list = (view for view in views if appbuilder.sm.has_access("can_list", view))
        return next((f"{view}.list" for view in may_list), "")

    @classmethod
    def first_steps(cls) -> first_steps.Card | None:
        """Return the first-day list for the user's home page, None on other pages."""
        return first_steps.card(g.user) if request.endpoint == cls.home() else None

    @expose("/first-steps", methods=["POST"])
    def hide_steps(self) -> Any:
        """Hide the first-day list of the user."""
        if not g.user or not g.user.is_authenticated:
            abort(401)
        first_steps.hide()
        return redirect(url_for("HomeView.index"))

    @expose("/theme", methods=["POST"])
    def theme(self) -> Any:
        """Keep the user's choice of light or dark pages."""
        if not g.user or not g.user.is_authenticated:
            abort(401)
        theme.choose()
        return "", 204
