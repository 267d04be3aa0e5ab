"""What every generated screen has on top of Flask-AppBuilder's ModelView.

Row scope in every route and bulk action, checked query arguments, form errors beside the field
without losing what was typed, and filters that two requests in one process can't mix up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from flask import abort, current_app, flash, g, has_request_context, redirect, request
from flask_appbuilder import ModelView, expose
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.urltools import get_filter_args
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy.exc import IntegrityError

from app.access.scope import FilterVisible
from app.errors import DomainError, FieldError
from app.extensions import db
from app.filters import ConsoleFilters

MAX_PAGE_SIZE = 200
_NUMBER = re.compile(r"[0-9]{1,9}")
_FILTER = re.compile(r"_flt_(\d)_(.*)")


class ConsoleInterface(SQLAInterface):  # type: ignore[misc]
    """Data access with our filters, that answers "not there" for a key that can't be one."""

    filter_converter_class = ConsoleFilters

    def __init__(self, obj: Any, session: Any = None, computed: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        self.computed = computed or {}
        super().__init__(obj, session or db.session)

    def _get_attr_value(self, item: Any, col: str) -> Any:
        if col in self.computed:
            return self.computed[col](item)
        return SQLAInterface._get_attr_value(item, col)

    def is_phone_index(self, col_name: str) -> bool:
        """Whether the column is the blind index of a phone number."""
        return col_name == "phone_index"

    def get(self, id: Any, *args: Any, **kwargs: Any) -> Any:
        """The row with this key, or None."""
        if not _NUMBER.fullmatch(str(id)) or int(id) > 2**31 - 1:
            return None
        return super().get(int(id), *args, **kwargs)


class PerRequestFilters:
    """Keeps the list filters of a request in the request.

    Flask-AppBuilder keeps them on the view, which all threads of a process share.
    """

    datamodel: Any
    search_columns: Any
    search_filters: Any = None
    _template_filters: Any = None

    @property
    def _filters(self) -> Any:
        if not has_request_context():
            return self._template_filters
        name = f"_list_filters_{type(self).__name__}"
        if name not in g:
            extra = {"search_filters": self.search_filters} if self.search_filters else {}
            setattr(g, name, self.datamodel.get_filters(search_columns=self.search_columns, **extra))
        return getattr(g, name)

    @_filters.setter
    def _filters(self, value: Any) -> None:
        self._template_filters = value


class ConsoleView(PerRequestFilters, ModelView):  # type: ignore[misc]
    """A generated screen: list, show, add, edit, delete and actions of one table, in row scope.

    Subclasses set ``model`` and columns (``computed`` ones are functions of the row), and override ``save``, ``remove`` or ``check`` where a
    domain function does the work.
    """

    model: ClassVar[type[Any]]
    computed: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    base_order: ClassVar[Any] = ("id", "desc")
    page_size = 25
    add_row_message = lazy_gettext("Saved.")
    edit_row_message = lazy_gettext("Saved.")
    delete_row_message = lazy_gettext("Deleted.")

    def __init__(self, **kwargs: Any) -> None:
        self.datamodel = self._interface()
        self.base_filters = [["id", FilterVisible, ""]]
        super().__init__(**kwargs)

    def _interface(self) -> ConsoleInterface:
        return ConsoleInterface(self.model, db.session, self.computed)

    # -- what subclasses change ------------------------------------------------------------
    def check(self, form: Any, item: Any | None) -> None:
        """Raise FieldError for typed values that only the whole form or the database can judge."""

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Write the filled item. Raise FieldError or DomainError to refuse it."""
        if created:
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """Delete the item. Raise DomainError to refuse."""
        db.session.delete(item)

    def may_change(self, item: Any) -> str | None:
        """Why this very row can't be edited or deleted, or None when it can."""
        return None

    # -- add, edit, delete -----------------------------------------------------------------
    def _add(self) -> Any:
        get_filter_args(self._filters, disallow_if_not_in_search=False)
        exclude = self._filters.get_relation_cols()
        form = self.add_form.refresh()
        if request.method == "POST":
            self._fill_form_exclude_cols(exclude, form)
            if self._store(form, None):
                flash(str(self.add_row_message), "success")
                return None
        else:
            self.update_redirect()
            self.prefill_add(form)
        return self._get_add_widget(form=form, exclude_cols=exclude)

    def prefill_add(self, form: Any) -> None:
        """Fill a fresh add form; by default nothing."""

    def _edit(self, pk: Any) -> Any:
        get_filter_args(self._filters, disallow_if_not_in_search=False)
        exclude = self._filters.get_relation_cols()
        item = self._row(pk)
        self._refuse_if_fixed(item)
        if request.method == "POST":
            form = self.edit_form.refresh(request.form)
            self._fill_form_exclude_cols(exclude, form)
            form._id = item.id
            if self._store(form, item):
                flash(str(self.edit_row_message), "success")
                return None
        else:
            form = self.edit_form.refresh(obj=item)
            self.prefill_form(form, item.id)
            self.update_redirect()
        return self._get_edit_widget(form=form, exclude_cols=exclude, widgets={"related_views": []})

    def _store(self, form: Any, item: Any | None) -> bool:
        """Validate and write; on refusal leave the errors on the form and change nothing."""
        if not form.validate():
            return False
        created = item is None
        try:
            self.check(form, item)
            target = self.datamodel.obj() if item is None else item
            with db.session.no_autoflush:
                form.populate_obj(target)
                self.save(target, form, created=created)
            db.session.commit()
        except (DomainError, IntegrityError) as error:
            db.session.rollback()
            _show_on_form(form, error)
            return False
        return True

    def _delete(self, pk: Any) -> None:
        item = self._row(pk)
        self._refuse_if_fixed(item)
        if self._removed(item):
            flash(str(self.delete_row_message), "success")
        self.update_redirect()

    def _removed(self, item: Any) -> bool:
        label = str(item)
        try:
            self.remove(item)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return False
        except IntegrityError:
            db.session.rollback()
            flash(_("“%(item)s” is still in use and can't be deleted.", item=label), "danger")
            return False
        return True

    def _row(self, pk: Any) -> Any:
        item = self.datamodel.get(pk, self._base_filters)
        if item is None:
            abort(404)
        return item

    def _refuse_if_fixed(self, item: Any) -> None:
        reason = self.may_change(item)
        if reason:
            flash(reason, "warning")
            abort(409, description=reason)

    # -- actions ---------------------------------------------------------------------------
    @expose("/action/<string:name>/<pk>", methods=["GET", "POST"])
    def action(self, name: str, pk: str) -> Any:
        """Run an action on one row in scope."""
        return self._run_action(name, [pk], single=True)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Run an action on the ticked rows; rows outside the person's scope are not there."""
        return self._run_action(request.form.get("action", ""), request.form.getlist("rowid"), single=False)

    def _run_action(self, name: str, keys: list[str], *, single: bool) -> Any:
        if request.method != "POST":
            abort(405)
        action = self.actions.get(name)
        if action is None:
            abort(404)
        if not self.appbuilder.sm.has_access(
            self.get_action_permission_name(name), self.class_permission_name
        ):
            abort(403)
        items = [item for key in keys if (item := self.datamodel.get(key, self._base_filters))]
        if not items:
            abort(404)
        try:
            return action.func(items[0] if single else items)
        except DomainError as error:
            db.session.rollback()
            flash(error.text(), "danger")
            return self.back()

    def back(self) -> Any:
        """Redirect to where the person came from."""
        return redirect(self.get_redirect())

    def each(self, items: Any | Iterable[Any], change: Callable[[Any], None]) -> int:
        """Apply ``change`` to one or many rows in one transaction; the number changed."""
        rows = list(items) if isinstance(items, list) else [items]
        for row in rows:
            change(row)
        db.session.commit()
        return len(rows)


def check_list_arguments() -> None:
    """Answer 400 to page, size and order arguments that no screen of ours makes.

    Flask-AppBuilder turns them into a server error, or into a page as large as the table.
    """
    for name, value in request.args.items():
        if name.startswith("page_") and not _NUMBER.fullmatch(value):
            abort(400, description=_("“%(value)s” is not a page number.", value=value[:40]))
        if name.startswith("psize_") and not (
            _NUMBER.fullmatch(value) and 1 <= int(value) <= MAX_PAGE_SIZE
        ):
            abort(400, description=_("A page holds 1 to %(most)s rows.", most=MAX_PAGE_SIZE))
        if (match := _FILTER.fullmatch(name)) and not _is_filter(int(match[1]), match[2]):
            abort(400, description=_("This list has no such filter: %(name)s", name=name[:60]))
        if name.startswith("_oc_") and not _may_order(name[4:], value):
            abort(400, description=_("This list can't be sorted by “%(column)s”.", column=value[:40]))


def _may_order(view_name: str, column: str) -> bool:
    view = next((each for each in _views() if type(each).__name__ == view_name), None)
    return view is not None and column in (getattr(view, "order_columns", None) or [])


def _is_filter(index: int, column: str) -> bool:
    """Whether the view that answers this request offers the filter (any column may prefill an add form)."""
    view = next((each for each in _views() if each.endpoint == request.blueprint), None)
    if view is None or not hasattr(view, "datamodel"):
        return True
    offered = view.datamodel.get_filters(view.datamodel.get_columns_list())._all_filters.get(column, [])
    return index < len(offered)


def _views() -> list[Any]:
    return list(current_app.appbuilder.baseviews)  # type: ignore[attr-defined]


def _show_on_form(form: Any, error: DomainError | IntegrityError) -> None:
    if isinstance(error, FieldError) and error.field in form:
        form[error.field].errors = [*form[error.field].errors, error.text()]
    elif isinstance(error, DomainError):
        flash(error.text(), "danger")
    else:
        flash(_("Another row already has this value; it must be unique."), "danger")
