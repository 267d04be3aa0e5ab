"""The facts of one lead."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from app.activity import store as activity
from app.facts import catalogue
from app.facts.cells import as_json
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib.lazy import lazy
from app.lib.settings import current_settings

if TYPE_CHECKING:
    from app.facts import store
else:
    store = lazy("app.facts.store")


def facts_of(lead: int, as_of: dt.date) -> dict[str, dict[str, Any]]:
    """Return the facts known of a lead as of a date: code → value, as_of and known_on, for JSON."""
    settings, facts = current_settings(), catalogue.definitions()
    state = activity.snapshot(activity_root(settings))
    if not state.facts or not facts:
        return {}
    columns = columns_of(facts)
    found = store.values(state, columns, as_of, lead=lead, settings=engine_settings(settings)).to_pylist()
    return {
        facts[column.fact].code: {
            "value": as_json(found[0][column.name]),
            "as_of": found[0][f"{column.name}_as_of"].isoformat(),
            "known_on": found[0][f"{column.name}_known_on"].isoformat(),
        }
        for column in columns
        if found and found[0][column.name] is not None
    }
