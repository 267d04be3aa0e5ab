"""Data interface of the change log's list, which bounds the search by time from the facets of the log."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from app.audit.unsealed import MAX_COUNTED, unsealed
from app.console.data import ConsoleInterface
from app.extensions import db
from app.lib import clock
from app.models import ChangeFacet, ChangeLog

#: filter → the column of the facets that it is compared with
FACETS: dict[str, Any] = {
    "person": ChangeFacet.actor,
    "about": ChangeFacet.object,
    "kind": ChangeFacet.kind,
    "source": ChangeFacet.source,
}
#: an upper time bound that cuts off less than this is left out: the query gains nothing from it
MIN_CUT = dt.timedelta(days=31)


class LogInterface(ConsoleInterface):
    """Entries of the log, limited to the period in which the facets have matching entries."""

    def apply_filters(self, query: Any, filters: Any) -> Any:
        """Return the query with the filters applied, and with the period that can hold matches."""
        filtered = super().apply_filters(query, filters)
        values = [(each.column_name, value) for each, value in filters.get_filters_values()]
        facets = [
            FACETS[name] == str(each).strip()
            for name, value in values
            for each in (value if isinstance(value, list) else [value])
            if name in FACETS and str(each).strip()
        ]
        return filtered.filter(_period(facets)) if facets else filtered


def _period(facets: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    first, last = db.session.execute(
        select(func.min(ChangeFacet.first), func.max(ChangeFacet.last)).where(*facets)
    ).one()
    tail = _unsealed_since()
    if first is None:
        return ChangeLog.time >= tail
    since = ChangeLog.time >= min(first, tail)
    return (
        since if tail - last < MIN_CUT else and_(since, or_(ChangeLog.time <= last, ChangeLog.time >= tail))
    )


def _unsealed_since() -> dt.datetime:
    """Return the time from which entries may be unsealed and therefore missing from the facets."""
    left = unsealed(db.session.connection())
    if left.entries >= MAX_COUNTED:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return left.since or clock.now()
