"""The data of the list widget: columns, rows, links, actions and pages."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from babel.numbers import format_compact_decimal
from flask import g, request, url_for
from flask_appbuilder import Model
from flask_babel import get_locale
from flask_babel import gettext as _
from markupsafe import Markup, escape
from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.elements import True_

from app import labels
from app.access.people import load as load_names
from app.access.scope import visible_to
from app.console import filter_row, formats, people, urls
from app.console.access import may, view_named, view_of_model
from app.errors import Said
from app.extensions import db
from app.lib.row_id import whole_number
from app.models import ChangeLog
from app.selection import kind_of

PAGE_SIZES = (25, 50, 100, 200)
PAGE_SIZE_COOKIE = "page_size"
#: bulk actions that come first
CONTACTS = ("sms", "call")
#: columns that hold sentences and need a wide cell
SENTENCES = ("sentence", "reason", "summary", "text", "body", "counts", "role_purpose")
#: words beside a row, and their length in Latin letters; with more, all but the first ones are in a menu
MAX_WORDS, MAX_LENGTH = 3, 32


@dataclass(frozen=True)
class Link:
    """A button that opens an address; ``primary`` marks the main one of a page."""

    text: str
    url: str
    primary: bool = False


@dataclass(frozen=True)
class Action:
    """A button that posts to ``url``, after asking the question ``confirm`` if there is one.

    ``back`` is the label of the button for "no", where "Cancel" would be ambiguous.
    """

    text: str
    url: str
    confirm: str = ""
    danger: bool = False
    back: str = ""


@dataclass(frozen=True)
class Column:
    """A column head. ``kind`` is number, wide (sentences) or empty; ``url`` sorts by the column.

    ``sorted`` is the current order by this column: ascending, descending or empty. ``term`` is the code of
    its term in the glossary, empty for none.
    """

    name: str
    label: str
    kind: str
    url: str = ""
    sorted: str = ""
    term: str = ""


@dataclass(frozen=True)
class Row:
    """A row: its key, its cells in the order of the columns, its links and actions."""

    key: str
    name: str
    cells: list[Any]
    links: list[Link]
    actions: list[Action]
    #: bulk actions whose dialogs warn when this row is ticked
    warned: tuple[str, ...] = ()

    @property
    def words(self) -> list[Link | Action]:
        """Return the links and actions that stand beside the row."""
        every: list[Link | Action] = [*self.links, *self.actions]
        length = sum(1 if letter.isascii() else 2 for each in every for letter in str(each.text))
        return every if len(every) <= MAX_WORDS and length <= MAX_LENGTH else every[: MAX_WORDS - 1]

    @property
    def more(self) -> list[Link | Action]:
        """Return the links and actions in the row's menu."""
        every: list[Link | Action] = [*self.links, *self.actions]
        return every[len(self.words) :]


@dataclass(frozen=True)
class Table:
    """Everything the list widget draws."""

    view: str
    columns: list[Column]
    rows: list[Row]
    count: int
    page: int
    page_size: int
    bulk: list[Any]
    links: list[Link]
    empty: str
    related: bool
    fields: list[filter_row.Field] = field(default_factory=list)
    chips: list[filter_row.Chip] = field(default_factory=list)
    shown_fields: int = 4
    choices: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    no_choice: Mapping[str, Any] = field(default_factory=dict)
    #: what the dialog of a bulk action says about the ticked rows that it warns of, by action
    warnings: Mapping[str, Any] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    paged: bool = True
    #: whether the bulk bar is there before a row is ticked
    bulk_stays: bool = False
    #: what stands above the list instead of the number of rows
    counted: str = ""
    #: what the rows are and where to go from an empty list
    about: str = ""
    next: list[Link] = field(default_factory=list)
    #: the last row that paging reaches; 0 means no limit
    paging_limit: int = 0
    #: how the reader has the list; without it there is nothing to arrange
    arranged: Any = None
    #: text and address of the line about rows that the list hides, empty texts for none
    hidden: tuple[str, str] = ("", "")

    @property
    def phone_typed(self) -> str:
        """Return a phone number that was typed as a name, by which the user may look for the customer."""
        return filter_row.phone_typed_as_text(self.fields)

    @property
    def density(self) -> str:
        """Return the density of the rows."""
        return self.arranged.density if self.arranged else "standard"

    @property
    def estimated(self) -> bool:
        """Return whether the count is the planner's estimate."""
        return not getattr(self.count, "exact", True)

    @property
    def count_text(self) -> str:
        """Return the formatted count, rounded for an estimate."""
        if self.estimated:
            return str(format_compact_decimal(self.count, locale=get_locale(), fraction_digits=1))
        return f"{self.count:,}"

    @property
    def exact_url(self) -> str:
        """Return the address with an exact count."""
        return urls.here(changed={"exact": "1"})

    @property
    def pages(self) -> int:
        """Return the number of pages that can be opened, at least one."""
        rows = min(self.count, self.paging_limit) if self.paging_limit else self.count
        return max(1, math.ceil(rows / self.page_size))

    @property
    def page_links(self) -> list[tuple[str, str]]:
        """Return page numbers with addresses; an empty address is the current page, an empty text a gap."""
        near = {0, self.pages - 1, *range(max(0, self.page - 2), min(self.pages, self.page + 3))}
        links: list[tuple[str, str]] = []
        for number in sorted(near):
            if links and number - 1 not in near:
                links.append(("", ""))
            links.append((str(number + 1), "" if number == self.page else self.page_url(number)))
        return links

    def page_url(self, number: int) -> str:
        """Return the address of a page, counted from 0."""
        return urls.here(changed={f"page_{self.view}": str(number)})

    @property
    def sizes(self) -> list[tuple[int, str]]:
        """Return the page sizes to choose from, each with its address."""
        sizes = sorted({*PAGE_SIZES, self.page_size})
        return [(size, urls.here(changed={f"psize_{self.view}": str(size)}, page_one=True)) for size in sizes]


def remembered_page_size() -> int | None:
    """Return the page size that the user chose last, None if they never did."""
    size = whole_number(request.cookies.get(PAGE_SIZE_COOKIE, ""))
    return size if size in PAGE_SIZES else None


def load_related(view: Any, rows: list[Any], names: list[str]) -> None:
    """Load the rows' many-to-one relations, with one query per relation instead of one per row."""
    load_names(getattr(item, name) for name in names if names_person(view, name) for item in rows)
    for name in names:
        if not view.datamodel.is_relation_many_to_one(name):
            continue
        model = view.datamodel.get_related_model(name)
        column = next(iter(getattr(view.model, name).property.local_columns)).key
        keys = {key for item in rows if (key := getattr(item, column)) is not None}
        remember_scope(model, keys)
        loaded = {each.id: each for each in db.session.scalars(select(model).where(model.id.in_(keys)))}
        for item in rows:
            set_committed_value(item, name, loaded.get(getattr(item, column)))


def columns(view: Any, names: list[str], order: tuple[str, str]) -> list[Column]:
    """Return the column heads of a view's list in a given order."""
    return [_column(view, name, order) for name in names]


def _column(view: Any, name: str, order: tuple[str, str]) -> Column:
    state = ({"asc": "ascending", "desc": "descending"}[order[1]]) if order[0] == name else ""
    url = ""
    if name in view.order_columns:
        direction = "desc" if state == "ascending" else "asc"
        own = type(view).__name__
        url = urls.here(changed={f"_oc_{own}": name, f"_od_{own}": direction}, page_one=True)
    label = str(view.label_columns.get(name, name))
    return Column(name, label, kind(view, name), url, state, view.column_terms.get(name, ""))


def kind(view: Any, name: str) -> str:
    """Return the kind of a column: number, wide or empty."""
    if (
        name in view.number_columns
        or view.formatters_columns.get(name) is formats.number
        or view.datamodel.is_float(name)
        or _is_amount(view, name)
    ):
        return "number"
    return "wide" if name in SENTENCES else ""


def _is_amount(view: Any, name: str) -> bool:
    """Return whether a column holds whole numbers that are no keys and are shown as they are."""
    data = view.datamodel
    is_key = data.is_pk(name) or data.is_fk(name)
    return data.is_integer(name) and not is_key and name not in view.formatters_columns


def row(view: Any, names: list[str], item: Any) -> Row:
    """Return a row of a view's list."""
    cells = [_one_line(view, name, view.datamodel._get_attr_value(item, name)) for name in names]
    links = show_links(view, item)
    if cells and links and not _is_link(cells[0]):
        cells[0] = Markup('<a class="row-link" href="{}">{}</a>').format(links[0].url, cells[0])
    actions = row_actions(view, item, in_list=True)
    return Row(str(item.id), view.heading(item), cells, links, actions, view.warned_of(item))


def _one_line(view: Any, name: str, value: Any) -> Any:
    """Return a cell; a sentence is cut to one line."""
    shown = cell(view, name, value)
    return formats.clip(shown) if kind(view, name) == "wide" and type(shown) is str else shown


def _is_link(cell: Any) -> bool:
    return isinstance(cell, Markup) and "<a " in cell


def cell(view: Any, name: str, value: Any) -> Any:
    """Format a value with the view's formatter, else by its type. A related row links to its own page."""
    formatter = view.formatters_columns.get(name)
    if formatter:
        return formatter(value)
    if isinstance(value, Model):
        return related(value)
    if isinstance(value, Said):
        return value.text()
    if isinstance(value, list | tuple):
        return labels.joined(related(each) if isinstance(each, Model) else each for each in value)
    if isinstance(value, str) and names_person(view, name):
        return people.shown(value)
    if isinstance(value, bool):
        return labels.yes_no(value)
    if isinstance(value, dt.datetime):
        return formats.when(value)
    if isinstance(value, dt.date):
        return Markup("<time>{}</time>").format(value.isoformat())
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return "" if value is None else value


def names_person(view: Any, name: str) -> bool:
    """Return whether a column holds names for log-in."""
    return name not in view.computed and kind_of(view.model, name) == "person"


def related(item: Any) -> Any:
    """Return the name of a row of another table, as a link when the user may open it."""
    return linked(item, filter_row.name_of(item))


def linked(item: Any, text: str) -> Markup:
    """Return a text about a row of another table, as a link when the user may open it."""
    view = view_of_model(type(item))
    if view is None or not may("can_show", type(view).__name__) or not in_scope(type(item), item.id):
        return escape(text)
    return Markup('<a href="{}">{}</a>').format(url_for(f"{view.endpoint}.show", pk=item.id), text)


def in_scope(model: type[Any], key: int) -> bool:
    """Whether a row is among those that the user sees; asked once a request."""
    if (model, key) not in g.setdefault("rows_in_scope", {}):
        remember_scope(model, [key])
    return bool(g.rows_in_scope[model, key])


def remember_scope(model: type[Any], keys: Iterable[int]) -> None:
    """Find out for all rows at once what ``in_scope`` says of them."""
    scope = visible_to(g.user, model)
    seen = set(keys)
    if seen and not isinstance(scope, True_):
        seen = set(db.session.scalars(select(model.id).where(model.id.in_(seen), scope)))
    g.setdefault("rows_in_scope", {}).update({(model, key): key in seen for key in keys})


def show_links(view: Any, item: Any) -> list[Link]:
    """Return the links of a row: to its page and its form."""
    links = []
    if may("can_show", type(view).__name__):
        links.append(Link(_("View"), view.row_url(item)))
    if _can_change(view, "can_edit", item):
        links.append(Link(_("Edit"), url_for(f"{view.endpoint}.edit", pk=item.id)))
    return links


def history_link(item: Any) -> list[Link]:
    """Return the link to a row's entries in the change log, if the user may read it."""
    if not may("can_list", "ChangeLogView") or isinstance(item, ChangeLog):
        return []
    row = f"{type(item).__tablename__}:{item.id}"
    return [Link(_("Change history"), urls.list_url("ChangeLogView", row=row))]


def row_actions(view: Any, item: Any, *, in_list: bool = False) -> list[Action]:
    """Return the actions on a row: those of the view, and deletion."""
    actions = [
        Action(
            str(action.text),
            url_for(f"{view.endpoint}.action", name=action.name, pk=item.id),
            str(action.confirmation or ""),
            back=_("Back") if action.name == "cancel" else "",
        )
        for action in _actions(view)
        if action.single
        and may(action.name, type(view).__name__)
        and view.offers(action.name, item)
        and not (in_list and action.name in view.page_only)
    ]
    if _can_change(view, "can_delete", item) and view.offers("delete", item):
        question = _("Delete “%(item)s”? This can't be undone.", item=view.heading(item))
        actions.append(
            Action(_("Delete"), url_for(f"{view.endpoint}.delete", pk=item.id), question, danger=True)
        )
    return actions


def _can_change(view: Any, permission: str, item: Any) -> bool:
    name = type(view).__name__
    return permission in view.base_permissions and may(permission, name) and not view.lock_reason(item)


def bulk(view: Any) -> list[Any]:
    """Return the view's bulk actions that the user may use, contacts first."""
    offered = [each for each in _actions(view) if each.multiple and may(each.name, type(view).__name__)]
    return sorted(offered, key=lambda each: each.name not in CONTACTS)


def choices(view: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the choices of the bulk actions that ask for one, by action name."""
    offered = ((each.name, view.choices_of(each.name)) for each in bulk(view))
    return {name: options for name, options in offered if options is not None}


def _actions(view: Any) -> list[Any]:
    """Return the view's actions in the order of their declaration; Flask-AppBuilder sorts them by name."""
    return sorted(view.actions.values(), key=lambda each: each.func.__code__.co_firstlineno)


def next_links(view: Any) -> list[Link]:
    """Return where an empty list sends the user: pages that help to fill it, as far as they may be opened."""
    helpful = [each for name in view.empty_next if may("can_list", name) and (each := view_named(name))]
    return [Link(str(each.list_title), url_for(f"{each.endpoint}.list")) for each in helpful]


def add_link(view: Any, filters: Any) -> list[Link]:
    """Return the button that adds a row, prefilled with the relation of a related list."""
    if "can_add" not in view.base_permissions or not may("can_add", type(view).__name__):
        return []
    prefilled = {
        urls.argument(view.model, each.column_name): value
        for each, value in filters.get_filters_values()
        if each.is_related_view
    }
    return [Link(str(view.add_title), url_for(f"{view.endpoint}.add", **prefilled), primary=True)]
