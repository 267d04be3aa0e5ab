"""Flask-AppBuilder's interface to the list filters of app/selection."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import abort, g, has_request_context
from flask_appbuilder.models.filters import BaseFilter, BaseFilterConverter, FilterRelation
from flask_babel import lazy_gettext

from app.access.scope import visible_to
from app.errors import DomainError
from app.leads.number_limit import SearchNotAllowed
from app.selection import criterion, kind_of
from app.selection.columns import OPERATORS, SPECIAL


class FilterVisible(BaseFilter):  # type: ignore[misc]
    """The base filter that limits a list to the rows in the user's scope."""

    name = lazy_gettext("Visible to me")
    arg_name = "visible"

    def apply(self, query: Any, value: Any) -> Any:
        """Filter the query. Outside a request no row is visible."""
        user = g.user if has_request_context() else None
        return query.filter(visible_to(user, self.model))


class ListFilter(BaseFilter):  # type: ignore[misc]
    """A filter of one column by ``operator``; ``arg_name`` is its name in the API."""

    operator: ClassVar[str] = "is"

    def apply(self, query: Any, value: Any) -> Any:
        """Filter the query. An empty value means no filter; an invalid one is answered 400."""
        text = "" if value is None else str(value).strip()
        if not text:
            return query
        try:
            return query.filter(criterion(self.model, (self.column_name, self.operator, text), g.user))
        except SearchNotAllowed as error:
            abort(403, description=error.text())
        except DomainError as error:
            abort(400, description=error.text())


class ChoiceFilter(ListFilter):
    """A filter that belongs to no column (app/selection/special.py). A ``hidden`` one has a chip only."""

    name = lazy_gettext("is")
    hidden: ClassVar[bool] = False

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return the choices with their labels; for a hidden filter only the current one."""
        raise NotImplementedError


class TextFilter(ChoiceFilter):
    """A filter that belongs to no column and whose value is typed."""

    hint: ClassVar[Any] = ""

    @staticmethod
    def choices(value: str) -> list[tuple[str, str]]:
        """Return nothing to choose from."""
        return []


def _filter(operator: str, api_name: str, words: Any, *bases: type[Any]) -> type[ListFilter]:
    """Return the filter class of an operator, under its name in the API."""
    return type(api_name, (ListFilter, *bases), {"operator": operator, "arg_name": api_name, "name": words})


_IS = _filter("is", "eq", lazy_gettext("is"))
_STARTS = _filter("starts", "sw", lazy_gettext("starts with"))
_DAY_FROM = _filter("from", "from", lazy_gettext("from"))
_DAY_TO = _filter("to", "to", lazy_gettext("to"))
#: kind of column and operator → filter
_FILTERS: dict[tuple[str, str], type[ListFilter]] = {
    ("relation", "is"): _filter("is", "rel_o_m", lazy_gettext("is"), FilterRelation),
    ("relations", "is"): _filter("is", "rel_m_m", lazy_gettext("is"), FilterRelation),
    ("phone", "is"): _IS,
    ("flag", "is"): _IS,
    ("text", "starts"): _STARTS,
    ("text", "is"): _IS,
    ("person", "starts"): _STARTS,
    ("person", "is"): _IS,
    ("number", "is"): _IS,
    ("number", "from"): _filter("from", "ge", lazy_gettext("at least")),
    ("number", "to"): _filter("to", "le", lazy_gettext("at most")),
    ("moment", "from"): _DAY_FROM,
    ("moment", "to"): _DAY_TO,
    ("day", "from"): _DAY_FROM,
    ("day", "to"): _DAY_TO,
}


class ConsoleFilters(BaseFilterConverter):  # type: ignore[misc]
    """The mapping of a column's kind to its filters."""

    def convert(self, col_name: str) -> list[BaseFilter] | None:
        """Return the filters of a column, None when it has none."""
        kind = kind_of(self.datamodel.obj, col_name)
        if kind is None:
            return None
        if kind == SPECIAL:
            return [self.datamodel.special.get(col_name, ChoiceFilter)(col_name, self.datamodel)]
        return [_FILTERS[kind, operator](col_name, self.datamodel) for operator in OPERATORS[kind]]


def add_default_filters(view: Any, filters: Any) -> None:
    """Add a view's default filters to the filters of a request, for columns of which it chooses no value."""
    chosen = {each.column_name for each, _value in filters.get_filters_values()}
    for column, value in view.defaults(chosen).items():
        if column not in chosen:
            filters.add_filter_index(column, 0, value)
