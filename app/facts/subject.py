"""What requests of data subjects and retention have to do with facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, select

from app.activity import store as activity
from app.facts import catalogue
from app.facts.cells import as_json
from app.facts.definition import fact_def
from app.facts.importer import columns_of
from app.leads import subject
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.models import FactDefinition, Lead
from config import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from app.facts import compaction, store
else:
    pa = lazy("pyarrow")
    compaction = lazy("app.facts.compaction")
    store = lazy("app.facts.store")

_ROWS = 50_000
#: where facts are in the data collected about a lead
NAME = "facts"


class _Facts:
    name = NAME

    def collect(self, lead: Lead) -> list[dict[str, Any]]:
        """Return every stored value of the lead, with purpose and dates, oldest first."""
        settings, facts = current_settings(), catalogue.definitions()
        state = activity.snapshot(activity_root(settings))
        if not state.facts or not facts:
            return []
        columns = columns_of(facts)
        rows = store.history(state, columns, lead.id)
        return [
            {
                "code": facts[column.fact].code,
                "name": facts[column.fact].name,
                "purpose": facts[column.fact].purpose,
                "value": as_json(row[column.name]),
                "as_of": row["as_of"].isoformat(),
                "known_on": row["known_on"].isoformat(),
            }
            for row in rows
            for column in columns
            if row[column.name] is not None
        ]

    def erase(self, lead_id: int) -> None:
        """Remove the lead's values from the store."""
        settings = current_settings()
        store_root = activity_root(settings)
        if activity.snapshot(store_root).facts:
            store.erase(store_root, [lead_id], settings=engine_settings(settings))


subject.register(_Facts())


def purge(engine: Engine, settings: Settings) -> int:
    """Delete values past their days kept and those of purged leads. Return their number."""
    root = activity_root(settings)
    if not activity.snapshot(root).facts:
        return 0
    with engine.connect() as connection:
        rows = connection.execute(select(FactDefinition.__table__)).all()
        facts = {row.id: fact_def(row) for row in rows}
        query = select(Lead.id).execution_options(yield_per=_ROWS)
        leads = pa.table({"lead": pa.array(connection.scalars(query), pa.int64())})
        today = settings.today(clock.now(connection))
    return compaction.compact(
        root, columns_of(facts), today, leads=lambda: leads, settings=engine_settings(settings)
    )
