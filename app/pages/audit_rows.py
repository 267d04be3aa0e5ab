"""Data access of the change log's list: it looks only where the filters can find something."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text

from app.extensions import db
from app.models import ChangeFacet, ChangeLog, ChangeSeal
from app.tables import ConsoleInterface

#: filter → what the facets know of it
FACETS: dict[str, Any] = {
    "person": ChangeFacet.actor,
    "about": ChangeFacet.object,
    "kind": ChangeFacet.kind,
    "source": ChangeFacet.source,
}
#: what the planner does not gain by leaving out
A_MONTH = dt.timedelta(days=31)
#: so many entries that are not sealed yet are looked at; more are more than the facets can help with
MOST_UNSEALED = 10_000
_UNSEALED = text("""
    WITH unsealed AS MATERIALIZED (
        SELECT time FROM change_log WHERE xid >= :to_xid AND id > :floor_id LIMIT :most
    )
    SELECT count(*) AS number, coalesce(min(time), clock_timestamp()) AS first FROM unsealed
""")


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
    last = db.session.execute(
        select(ChangeSeal.to_xid, ChangeSeal.floor_id).order_by(ChangeSeal.seq.desc()).limit(1)
    ).first()
    place = {"to_xid": last.to_xid if last else 0, "floor_id": last.floor_id if last else 0}
    found = db.session.execute(_UNSEALED, place | {"most": MOST_UNSEALED}).one()
    first: dt.datetime = found.first
    return first if found.number < MOST_UNSEALED else dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
