"""Columns, density, default filters and saved views of a list: what its toolbar offers, what it posts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app import labels
from app.console import selection, urls
from app.console.access import may, me
from app.errors import DomainError
from app.extensions import db
from app.lib.row_id import row_id
from app.models import SavedView
from app.selection import Selection, saved
from app.selection.saved import Layout

#: the query argument of a list that says which saved view is open
OPENED = "saved"
DENSITY = {
    "compact": lazy_gettext("Compact"),
    "standard": lazy_gettext("Standard"),
    "wrapped": lazy_gettext("Text wraps"),
}


@dataclass(frozen=True)
class Arranged:
    """A list as its reader arranged it. ``opened`` is the saved view that is open."""

    view: Any
    names: list[str]
    density: str
    opened: SavedView | None = None

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """Return name, label and state of each column that can be shown or hidden."""
        words = self.view.label_columns
        offered = self.view.offered_columns()[1:]
        return [(name, str(words.get(name, name)), name in self.names) for name in offered]

    @property
    def densities(self) -> list[tuple[str, str]]:
        """Return the densities with their words."""
        return labels.choices(DENSITY)

    @property
    def query(self) -> str:
        """Return the query arguments of the page, which the forms send along."""
        return request.query_string.decode()

    @property
    def views(self) -> list[SavedView]:
        """Return the saved views that the reader may open."""
        return saved.views_of(g.user, type(self.view).__name__)

    @property
    def roles(self) -> list[tuple[int, str]]:
        """Return the roles that a view can be shared with."""
        return [(role.id, labels.word(labels.ROLE, role.name)) for role in saved.roles_to_share_with()]

    @property
    def may_save(self) -> bool:
        """Return whether this is the list itself, of which the reader may save views."""
        return request.endpoint == f"{self.view.endpoint}.list" and may("can_list", "SavedViewView")

    @property
    def may_change(self) -> bool:
        """Return whether the reader may change the view that is open."""
        return self.opened is not None and saved.may_change(g.user, self.opened)


class ArrangesList:
    """Mixin of the base view: which columns a list has, and how its reader wants to see it."""

    label_columns: Any
    list_columns: Any
    endpoint: str
    #: columns that are hidden until somebody chooses them
    more_columns: ClassVar[Sequence[str]] = ()
    #: column → permission and view without which nobody is shown it
    column_rights: ClassVar[Mapping[str, tuple[str, str]]] = {}
    #: filters that hold until another value of the same column is chosen: column → value
    default_filters: ClassVar[Mapping[str, str]] = {}
    #: column and value of the rows that a default filter hides, which a line above the list leads to
    hides: ClassVar[tuple[str, str] | None] = None

    def defaults(self, chosen: Collection[str]) -> Mapping[str, str]:
        """Return the default filters of a list with filters of the ``chosen`` columns."""
        return self.default_filters

    def hidden_words(self, count: int, text: str) -> str:
        """Return what the line about hidden rows says; ``text`` is their number in words."""
        raise NotImplementedError

    def offered_columns(self) -> list[str]:
        """Return the columns that the user may see in the list; the first one is always shown."""
        every = [*self.list_columns, *self.more_columns]
        return [name for name in every if name not in self.column_rights or may(*self.column_rights[name])]

    def arranged(self) -> Arranged:
        """Return the list as the request's saved view or the user has it."""
        name = f"_arranged_{type(self).__name__}"
        if name not in g:
            setattr(g, name, self._arranged())
        arranged: Arranged = getattr(g, name)
        return arranged

    def _arranged(self) -> Arranged:
        view = type(self).__name__
        opened = None
        if request.endpoint == f"{self.endpoint}.list":
            opened = saved.view_with(g.user, view, row_id(request.args.get(OPENED, "")))
        layout = layout_of(opened) if opened else saved.layout_of(g.user, view)
        offered = self.offered_columns()
        names = list(saved.known([offered[0], *(layout.columns or self.list_columns)], offered))
        density = layout.density if layout.density in DENSITY else saved.STANDARD
        return Arranged(self, names, density, opened)

    @expose("/layout", methods=["POST"])
    @has_access
    @permission_name("list")
    def layout(self) -> Any:
        """Keep the posted columns and density as the user's own, for this list."""
        layout = Layout() if "reset" in request.form else self._posted_layout()
        saved.keep_layout(g.user, type(self).__name__, layout)
        db.session.commit()
        came_from = urls.own_path(request.form.get("next")) or url_for(f"{self.endpoint}.list")
        return redirect(without_view(came_from))

    def _posted_layout(self) -> Layout:
        density, offered = request.form.get("density", ""), self.offered_columns()
        columns = saved.known([offered[0], *request.form.getlist("column")], offered)
        return Layout(columns, density if density in DENSITY else saved.STANDARD)

    @expose("/save_view", methods=["POST"])
    @has_access
    @permission_name("list")
    def save_view(self) -> Any:
        """Save the list of the posted query arguments as a new view, or in one that is open."""
        view, arguments = type(self).__name__, parse_qsl(request.form.get("query", ""))
        back = urls.with_query(url_for(f"{self.endpoint}.list"), arguments)
        key = row_id(request.form.get("update", ""))
        kept = saved.view_with(g.user, view, key) or SavedView(view=view, owner=me(), name="")
        try:
            if kept.id is None:
                kept.name = request.form.get("name", "").strip()[:64]
                kept.role = saved.role_with(row_id(request.form.get("role", "")))
            chosen = Selection(self.model, selection.filters_of(self, arguments), g.user)  # type: ignore[attr-defined]
            saved.save(kept, chosen, self._sort(dict(arguments)), self._layout_of(dict(arguments)), g.user)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return redirect(back)
        flash(_("View “%(name)s” saved.", name=kept.name), "success")
        return redirect(address(kept, self))

    def _sort(self, arguments: Mapping[str, str]) -> list[str] | None:
        view: Any = self
        name = type(self).__name__
        column, direction = arguments.get(f"_oc_{name}", ""), arguments.get(f"_od_{name}", "")
        return [column, direction] if column in view.order_columns and direction in ("asc", "desc") else None

    def _layout_of(self, arguments: Mapping[str, str]) -> Layout:
        """Return the layout that the list of some query arguments has for the user."""
        view = type(self).__name__
        opened = saved.view_with(g.user, view, row_id(arguments.get(OPENED, "")))
        return layout_of(opened) if opened else saved.layout_of(g.user, view)


def layout_of(view: SavedView) -> Layout:
    """Return the layout of a saved view."""
    return Layout(tuple(view.columns), view.density)


def address(view: SavedView, screen: Any) -> str:
    """Return the address of a list as a saved view has it."""
    name = type(screen).__name__
    order = [(f"_oc_{name}", view.sort[0]), (f"_od_{name}", view.sort[1])] if view.sort else []
    arguments = [*urls.arguments(screen.model, view.filters), *order, (OPENED, str(view.id))]
    return urls.with_query(url_for(f"{screen.endpoint}.list"), arguments)


def without_view(path: str) -> str:
    """Return an address of a list without the saved view that is open."""
    place, _mark, query = path.partition("?")
    return urls.with_query(place, [(name, value) for name, value in parse_qsl(query) if name != OPENED])
