"""Data access of the change log's list: it looks only where the filters can find something."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from app.audit.unsealed import MOST, unsealed
from app.console.data import ConsoleInterface
from app.extensions import db
from app.lib import clock
from app.models import ChangeFacet, ChangeLog

#: filter → what the facets know of it
FACETS: dict[str, Any] = {
    "person": ChangeFacet.actor,
    "about": ChangeFacet.object,
    "kind": ChangeFacet.kind,
    "source": ChangeFacet.source,
}
#: what the planner does not gain by leaving out
A_MONTH = dt.timedelta(days=31)


class LogInterface(ConsoleInterface):
    """Entries of the log, within the times between which the facets have what is asked for."""

    def apply_filters(self, query: Any, filters: Any) -> Any:
        """The query narrowed by the filters, and by when there was anything of the kind."""
        found = super().apply_filters(query, filters)
        given = [(each.column_name, value) for each, value in filters.get_filters_values()]
        facets = [
            FACETS[name] == str(each).strip()
            for name, value in given
            for each in (value if isinstance(value, list) else [value])
            if name in FACETS and str(each).strip()
        ]
        return found.filter(_within(facets)) if facets else found


def _within(facets: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    first, last = db.session.execute(
        select(func.min(ChangeFacet.first), func.max(ChangeFacet.last)).where(*facets)
    ).one()
    tail = _tail()
    if first is None:
        return ChangeLog.time >= tail
    since = ChangeLog.time >= min(first, tail)
    return (
        since if tail - last < A_MONTH else and_(since, or_(ChangeLog.time <= last, ChangeLog.time >= tail))
    )


def _tail() -> dt.datetime:
    """From when on there may be entries that are not sealed, and so not in the facets."""
    left = unsealed(db.session.connection())
    if left.entries >= MOST:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return left.since or clock.now()
