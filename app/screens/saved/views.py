"""The screen of saved views: what a person saved or was given of any list."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, g, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.fields import QuerySelectField
from flask_appbuilder.fieldwidgets import Select2Widget
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms.validators import DataRequired, Length

from app import labels
from app.console import formats, layout
from app.console.access import may, view_named
from app.console.view import ConsoleView
from app.errors import DomainError, FieldError
from app.models import SavedView
from app.selection import saved


def _name(view: SavedView) -> Markup:
    """Return the name as a link that opens the view."""
    return Markup('<a href="{}">{}</a>').format(url_for("SavedViewView.open", pk=view.id), view.name)


def _list_of(view: SavedView) -> str:
    """Return the title of the list."""
    screen = view_named(view.view)
    return str(screen.list_title) if screen else view.view


def _shared(view: SavedView) -> str:
    """Return with whom a view is shared."""
    return labels.word(labels.ROLE, view.role.name) if view.role else _("only me")


class SavedViewView(ConsoleView):
    """保存的视图: the user's own views of lists, and those shared with them."""

    model = SavedView
    base_permissions = ["can_list", "can_edit", "can_delete"]
    computed = {"opened": _name, "list": _list_of, "shared": _shared}
    list_title = lazy_gettext("Saved views")
    edit_title = lazy_gettext("Change the view")
    about = lazy_gettext("Filters, order and columns of a list, kept under a name.")
    empty_hint = lazy_gettext(
        "Choose filters, order and columns of a list, and save them there under “Views”; they appear here."
    )
    base_order = ("name", "asc")
    list_columns = ["opened", "list", "shared", "owner", "created_at"]
    order_columns = ["created_at", "name"]
    search_columns = ["name", "role"]
    edit_columns = ["name", "role"]
    label_columns = {
        "name": lazy_gettext("Name"),
        "opened": lazy_gettext("Name"),
        "list": lazy_gettext("List"),
        "shared": lazy_gettext("Shared with"),
        "role": lazy_gettext("Shared with"),
        "owner": lazy_gettext("Owner"),
        "created_at": lazy_gettext("Created"),
    }
    formatters_columns = {"created_at": formats.when}
    edit_form_extra_fields = {
        "role": QuerySelectField(
            lazy_gettext("Shared with"),
            description=lazy_gettext("Everybody sees only the rows that they may see anyway."),
            allow_blank=True,
            blank_text=lazy_gettext("only me"),
            query_func=saved.roles_to_share_with,
            get_pk_func=lambda role: role.id,
            get_label=lambda role: labels.word(labels.ROLE, role.name),
            widget=Select2Widget(),
        )
    }
    validators_columns = {"name": [DataRequired(), Length(max=64)]}

    def lock_reason(self, item: SavedView) -> str | None:
        """Return that a view is somebody else's."""
        if saved.may_change(g.user, item):
            return None
        return _("This view is somebody else's. Only its owner and administrators may change it.")

    def row_url(self, item: SavedView) -> str:
        """Return the address that opens the view."""
        return url_for("SavedViewView.open", pk=item.id)

    def save(self, item: SavedView, form: Any, *, created: bool) -> None:
        """Store name and role. Raises FieldError when the owner has another view of this name."""
        item.name = item.name.strip()
        try:
            saved.refuse_a_taken_name(item)
        except DomainError as error:
            raise FieldError("name", error.message, **error.values) from error

    @expose("/open/<row_id:pk>", methods=["GET"])
    @has_access
    @permission_name("list")
    def open(self, pk: int) -> Any:
        """Open the list as the view has it, within what the user may see."""
        view = self._row(pk)
        screen = view_named(view.view)
        if screen is None or not may("can_list", view.view):
            abort(404)
        column = saved.unusable(view, screen.model, g.user)
        if column is None:
            return redirect(layout.address(view, screen))
        word = str(screen.label_columns.get(column, column))
        flash(
            _(
                "“%(name)s” can't be opened: its filter “%(column)s” means something that you may not see, "
                "or that is gone.",
                name=view.name,
                column=word,
            ),
            "warning",
        )
        return redirect(url_for(f"{screen.endpoint}.list"))
