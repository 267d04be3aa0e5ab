"""The base view of generated screens, on top of Flask-AppBuilder's ModelView.

It adds row scope in every route and bulk action, checked query arguments, form errors beside the field that
keep the input, and filters that belong to one request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from flask import abort, flash, redirect, request, url_for
from flask_appbuilder import ModelView, expose, has_access, permission_name
from flask_appbuilder.urltools import get_filter_args
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from wtforms import StringField

from app.console import filter_row as filters
from app.console import paging, selection, urls
from app.console import table as lists
from app.console.data import ConsoleInterface, PerRequestFilters
from app.console.filters import FilterVisible, add_default_filters
from app.console.layout import ArrangesList
from app.console.widgets import ConsoleFilterWidget, ConsoleFormWidget, ConsoleListWidget, ConsoleShowWidget
from app.errors import DomainError, FieldError
from app.extensions import db
from app.leads.errors import InvalidPhone


class ConsoleView(ArrangesList, PerRequestFilters, ModelView):  # type: ignore[misc]
    """A screen of one table: list, show, add, edit, delete and actions, in row scope.

    Subclasses set ``model`` and columns (``computed`` ones are functions of the row), and override ``save``,
    ``remove`` or ``check`` to call the domain.
    """

    model: ClassVar[type[Any]]
    #: the name of the rows in pointers and the change log, if it is not the table's name
    subject: ClassVar[str] = ""
    computed: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    base_order: ClassVar[Any] = ("id", "desc")
    page_size = 25
    #: the last row that paging reaches, the rest is found by filters; 0 means no limit
    paging_limit: ClassVar[int] = 0
    #: how many filters are always visible; the rest is behind "More filters"
    shown_filters: ClassVar[int] = 4
    #: what the rows of this list are, shown while it is empty
    about: ClassVar[Any] = ""
    #: names of the views whose pages help to fill an empty list; those that the user may open are linked
    empty_next: ClassVar[tuple[str, ...]] = ()
    #: the text of an empty list, which says why it is empty and what to do
    empty_hint: ClassVar[Any] = lazy_gettext("Nothing here yet.")
    #: list filters that belong to no column, by name; see app/screens/leads/special_filters.py
    special_filters: ClassVar[Mapping[str, type[Any]]] = {}
    #: columns whose head explains a term of the glossary: column → code of the term
    column_terms: ClassVar[Mapping[str, str]] = {}
    #: computed columns that hold a number
    number_columns: ClassVar[frozenset[str]] = frozenset()
    #: actions that are offered only on the row's page, not in the list
    page_only: ClassVar[frozenset[str]] = frozenset()
    #: columns that say the same in every row of a list on the page of a related row
    same_in_related: ClassVar[frozenset[str]] = frozenset()
    #: unit shown behind the control of a form field
    units: ClassVar[Mapping[str, Any]] = {}
    list_template = "list.html"
    show_template = "show.html"
    add_template = edit_template = "form.html"
    list_widget = ConsoleListWidget
    search_widget = ConsoleFilterWidget
    show_widget = ConsoleShowWidget
    add_widget = edit_widget = ConsoleFormWidget
    add_row_message = lazy_gettext("Saved.")
    edit_row_message = lazy_gettext("Saved.")
    delete_row_message = lazy_gettext("Deleted.")

    def __init__(self, **kwargs: Any) -> None:
        self.datamodel = self._interface()
        self.base_filters = self.row_filters()
        super().__init__(**kwargs)

    def _init_forms(self) -> None:
        # Without the permission there is no form: not every type of column has a form field.
        if "can_add" not in (self.base_permissions or ["can_add"]):
            self.add_columns: list[str] = []
        if "can_edit" not in (self.base_permissions or ["can_edit"]):
            self.edit_columns: list[str] = []
        super()._init_forms()

    def row_filters(self) -> list[list[Any]]:
        """Return Flask-AppBuilder's base filters: the user's scope, and more for a screen of fewer rows."""
        return [["id", FilterVisible, ""]]

    def _interface(self) -> ConsoleInterface:
        return ConsoleInterface(self.model, db.session, self.computed, self.special_filters)

    # -- for subclasses to override ------------------------------------------------------------
    def check(self, form: Any, item: Any | None) -> None:
        """Raise FieldError for values that only the whole form or the database can check."""

    def save(self, item: Any, form: Any, *, created: bool) -> None:
        """Store the filled item. Raise FieldError or DomainError to refuse it."""
        if created:
            db.session.add(item)

    def remove(self, item: Any) -> None:
        """Delete the item. Raise DomainError to refuse."""
        db.session.delete(item)

    def lock_reason(self, item: Any) -> str | None:
        """Return why this row can't be edited or deleted, None when it can."""
        return None

    def offers(self, action: str, item: Any) -> bool:
        """Return whether an action makes sense for this row now; others are hidden."""
        return True

    def warned_of(self, item: Any) -> tuple[str, ...]:
        """Return the bulk actions of ``warnings`` that warn when this row is ticked."""
        return ()

    #: what the dialog of a bulk action says when rows are ticked that it warns of, ``{n}`` of them, by action
    warnings: ClassVar[Mapping[str, Any]] = {}
    #: what the dialog of a bulk action says when there is nothing to choose, by action
    no_choice: ClassVar[Mapping[str, Any]] = {}

    def choices_of(self, action: str) -> list[tuple[str, str]] | None:
        """Return the choices that a bulk action asks for in a dialog, None when it asks nothing.

        The chosen key is posted as ``choice_<action>``.
        """
        return None

    def heading(self, item: Any) -> str:
        """Return the row's name for titles and questions."""
        named = "__repr__" in vars(type(item))
        return str(item) if named else str(getattr(item, "name", None) or f"#{item.id}")

    def counted(self, count: Any, list_filters: Any) -> str:
        """Return what stands above the list instead of the number of rows, empty for that number."""
        return ""

    def row_url(self, item: Any) -> str:
        """Return the address that a row of the list opens."""
        return url_for(f"{self.endpoint}.show", pk=item.id)

    def list_links(self) -> list[lists.Link]:
        """Return buttons above the list, besides the one that adds a row."""
        return []

    def list_actions(self) -> list[lists.Action]:
        """Return actions above the list, which are hidden while the list is empty."""
        return []

    def show_links(self, item: Any) -> list[lists.Link]:
        """Return buttons on the row's page, besides Edit, actions and Delete."""
        return []

    def progress_of(self, item: Any) -> dict[str, Any] | None:
        """Return the progress of background work on the row, None when there is none."""
        return None

    def hidden_columns(self, item: Any) -> Collection[str]:
        """Return the columns that say nothing about this row and are left out of its page."""
        return ()

    # -- list and show ---------------------------------------------------------------------
    def _get_list_widget(
        self,
        filters: Any,
        actions: Any = None,
        order_column: str = "",
        order_direction: str = "",
        page: int | None = None,
        page_size: int | None = None,
        widgets: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        order = (order_column, order_direction) if order_column else self.base_order
        size = page_size or lists.remembered_page_size() or self.page_size
        add_default_filters(self, filters)
        count, rows, page = self._page(filters, order, page or 0, size)
        fixed = {each.column_name for each, _value in filters.get_filters_values() if each.is_related_view}
        arranged = self.arranged()
        related = bool(fixed)
        left_out = fixed | self.same_in_related if related else fixed
        names = [name for name in arranged.names if name not in left_out]
        table = lists.Table(
            view=type(self).__name__,
            columns=lists.columns(self, names, order),
            rows=[lists.row(self, names, item) for item in rows],
            count=count,
            page=page,
            page_size=size,
            paging_limit=self.paging_limit,
            bulk=[] if related else lists.bulk(self),
            choices={} if related else lists.choices(self),
            no_choice=self.no_choice,
            warnings=self.warnings,
            links=lists.add_link(self, filters) + ([] if related else self.list_links()),
            actions=[] if related else self.list_actions(),
            empty=str(self.empty_hint),
            about=str(self.about),
            next=lists.next_links(self) if not rows and not related else [],
            counted=self.counted(count, filters),
            related=related,
            arranged=arranged,
            **self._search_of_table(related),
        )
        return (widgets or {}) | {"list": self.list_widget(table=table)}

    def _search_of_table(self, related: bool) -> dict[str, Any]:
        if related:
            return {}
        fields = filters.fields(self)
        shown = {"fields": fields, "chips": filters.chips(fields), "shown_fields": self.shown_filters}
        return shown | {"hidden": selection.hidden_rows(self)}

    def _page(self, list_filters: Any, order: Any, page: int, size: int) -> tuple[int, list[Any], int]:
        """Return count, rows and number of a page; beyond the last page, those of the last one."""
        joined = list_filters.get_joined_filters(self._base_filters)
        page = min(page, self.paging_limit // size - 1) if self.paging_limit else page
        count, rows = self.datamodel.query(joined, *order, page=page, page_size=size)
        if count and not rows:
            count = paging.count_exactly(self.datamodel.apply_filters(db.session.query(self.model), joined))
            page = max(count - 1, 0) // size
            rows = self.datamodel.query(joined, *order, page=page, page_size=size)[1]
        lists.load_related(self, rows, self.arranged().names)
        return count, rows, page

    def _get_search_widget(
        self, form: Any = None, exclude_cols: Any = None, widgets: Any = None
    ) -> dict[str, Any]:
        table = widgets["list"].template_args["table"]
        return dict(widgets) | {"search": self.search_widget(table=table)}

    def _get_show_widget(
        self, pk: Any, item: Any, widgets: Any = None, actions: Any = None, show_fieldsets: Any = None
    ) -> dict[str, Any]:
        groups = show_fieldsets or self.show_fieldsets or [(None, {"fields": self.show_columns})]
        hidden = self.hidden_columns(item)
        widget = self.show_widget(
            view=type(self).__name__,
            heading=self.heading(item),
            show_title=str(self.show_title),
            groups=[
                (
                    title,
                    [self._fact(name, item) for name in group["fields"] if name not in hidden],
                    group.get("expanded", True),
                )
                for title, group in groups
            ],
            links=lists.show_links(self, item)[1:] + self.show_links(item) + lists.history_link(item),
            actions=lists.row_actions(self, item),
            lock_reason=self.lock_reason(item),
            progress=self.progress_of(item),
        )
        return dict(widgets or {}) | {"show": widget}

    def _fact(self, name: str, item: Any) -> tuple[str, Any]:
        value = self.datamodel._get_attr_value(item, name)
        return str(self.label_columns.get(name, name)), lists.cell(self, name, value)

    def _get_add_widget(self, form: Any, exclude_cols: Any = None, widgets: Any = None) -> dict[str, Any]:
        return self._form_widget("add", form, exclude_cols, self.add_columns, self.add_fieldsets)

    def _get_edit_widget(self, form: Any, exclude_cols: Any = None, widgets: Any = None) -> dict[str, Any]:
        return self._form_widget("edit", form, exclude_cols, self.edit_columns, self.edit_fieldsets)

    def _form_widget(self, kind: str, form: Any, excluded: Any, columns: Any, groups: Any) -> dict[str, Any]:
        shown_groups = groups or [(None, {"fields": columns})]
        drawn = self.edit_widget(
            form=form,
            seen=getattr(form, "_seen", ""),
            groups=[
                (title, [form[name] for name in group["fields"] if name not in (excluded or [])])
                for title, group in shown_groups
            ],
            units=self.units,
            next=self._came_from(),
        )
        return {kind: drawn}

    def _came_from(self) -> str:
        """Return where a form returns to: the page it was opened from, which its posts carry along."""
        address = request.form.get("next") if request.method == "POST" else request.referrer
        return urls.own_path(address) or self._list_url()

    def _list_url(self) -> str:
        return url_for(f"{self.endpoint}.list")

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
        """Fill a new add form. By default it stays empty."""

    def _edit(self, pk: Any) -> Any:
        get_filter_args(self._filters, disallow_if_not_in_search=False)
        exclude = self._filters.get_relation_cols()
        item = self._row(pk)
        self._refuse_if_locked(item)
        if request.method == "POST":
            form = self.edit_form.refresh(request.form)
            form._seen = edit_digest(item, form)
            self._fill_form_exclude_cols(exclude, form)
            form._id = item.id
            if self._store(form, item):
                flash(str(self.edit_row_message), "success")
                return None
        else:
            form = self.edit_form.refresh(obj=item)
            form._seen = edit_digest(item, form)
            self.prefill_form(form, item.id)
            self.update_redirect()
        return self._get_edit_widget(form=form, exclude_cols=exclude, widgets={"related_views": []})

    def _store(self, form: Any, item: Any | None) -> bool:
        """Validate and store the form. On refusal put the errors on the form and return False."""
        if not form.validate():
            _translate_errors(form)
            return False
        created = item is None
        try:
            if item is not None and request.form.get("seen") not in (None, form._seen):
                raise DomainError(
                    "Somebody else changed this in the meantime. Compare the stored values with yours, "
                    "and save again to keep yours."
                )
            self.check(form, item)
            target = self.datamodel.obj() if item is None else item
            _fill_texts(form)
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
        self._refuse_if_locked(item)
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

    def _refuse_if_locked(self, item: Any) -> None:
        reason = self.lock_reason(item)
        if reason:
            flash(reason, "warning")
            abort(409, description=reason)

    # -- search ----------------------------------------------------------------------------
    @expose("/search", methods=["POST"])
    @has_access
    @permission_name("list")
    def search(self) -> Any:
        """Redirect to the list with the posted filters; phone numbers typed here stay out of access logs."""
        try:
            return redirect(filters.address(self))
        except InvalidPhone:
            flash(_("Enter the full phone number to search for it."), "warning")
        except DomainError as error:
            flash(error.text(), "danger")
        db.session.rollback()
        return redirect(url_for(f"{self.endpoint}.list"))

    # -- actions ---------------------------------------------------------------------------
    @expose("/action/<string:name>/<row_id:pk>", methods=["GET", "POST"])
    def action(self, name: str, pk: int) -> Any:
        """Run an action on one row in scope."""
        return self._run_action(name, [pk], single=True)

    @expose("/action_post", methods=["POST"])
    def action_post(self) -> Any:
        """Run an action on the ticked rows within the user's scope."""
        return self._run_action(request.form.get("action", ""), request.form.getlist("rowid"), single=False)

    def _run_action(self, name: str, keys: Sequence[object], *, single: bool) -> Any:
        if request.method != "POST":
            abort(405)
        action = self.actions.get(name)
        if action is None or not (action.single if single else action.multiple):
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
        """Redirect to the page of the pressed button."""
        return redirect(urls.own_path(request.referrer) or self._list_url())

    def post_add_redirect(self) -> Any:
        """Redirect to where the form was opened."""
        return redirect(self._came_from())

    def post_edit_redirect(self) -> Any:
        """Redirect to where the form was opened."""
        return redirect(self._came_from())

    def post_delete_redirect(self) -> Any:
        """Redirect to the page of the pressed button, or to the list if that was the deleted row's page."""
        came_from = urls.own_path(request.referrer)
        gone = came_from is None or f"{self.route_base}/show/" in came_from
        return redirect(self._list_url() if gone else str(came_from))

    def each(self, items: Any | Iterable[Any], change: Callable[[Any], None]) -> int:
        """Apply ``change`` to one or many rows in one transaction. Return their number."""
        rows = list(items) if isinstance(items, list) else [items]
        for row in rows:
            change(row)
        db.session.commit()
        return len(rows)


def edit_digest(item: Any, form: Any) -> str:
    """Return a digest of the columns that a form edits, to notice changes by somebody else in between."""
    edited = {field.name for field in form} | {f"{field.name}_id" for field in form}
    columns = [column.key for column in inspect(item).mapper.column_attrs if column.key in edited]
    values = [getattr(item, name) for name in columns]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _show_on_form(form: Any, error: DomainError | IntegrityError) -> None:
    if isinstance(error, FieldError) and error.field in form:
        form[error.field].errors = [*form[error.field].errors, error.text()]
    elif isinstance(error, DomainError):
        flash(error.text(), "danger")
    elif isinstance(error, IntegrityError) and (field := _taken_field(form, error)):
        form[field].errors = [
            *form[field].errors,
            _("Another row already has this value; it must be unique."),
        ]
    else:
        flash(_("Not saved: the values conflict with stored data."), "danger")


def _translate_errors(form: Any) -> None:
    """Translate what Flask-AppBuilder leaves in English, and drop what two of its forms made it say twice."""
    for field in form:
        if field.errors and not isinstance(field.errors, dict):
            field.errors = list(dict.fromkeys(_(str(error)) for error in field.errors))


def _taken_field(form: Any, error: IntegrityError) -> str | None:
    """Return the form field whose unique constraint, named table_column_key, was violated."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
    return next((field.name for field in form if constraint.endswith(f"_{field.name}_key")), None)


def _fill_texts(form: Any) -> None:
    """Set text fields that were not sent at all to empty texts, as a browser would send them."""
    for field in form:
        if isinstance(field, StringField) and field.data is None:
            field.data = ""
