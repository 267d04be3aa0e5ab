"""The facts of one lead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.activity import store as activity
from app.facts import catalogue
from app.facts.cells import as_json
from app.facts.definition import FactDef
from app.facts.importer import columns_of
from app.leads.cube import activity_root
from app.lib.lazy import lazy
from app.lib.settings import current_settings

if TYPE_CHECKING:
    from app.facts import store
else:
    store = lazy("app.facts.store")


@dataclass(frozen=True)
class KnownFact:
    """A value of a lead: when it was true, since when it is known, and the import batch that stated it.

    ``delivery`` is greater for what was delivered later.
    """

    fact: FactDef
    value: Any
    as_of: dt.date
    known_on: dt.date
    batch: int
    delivery: int


def known_facts(lead: int, as_of: dt.date) -> list[KnownFact]:
    """Return what is known of a lead as of a date, in the order of the definitions."""
    # Later values are of later dates, or were delivered later.
    return list({each.fact.code: each for each in _stated(lead, as_of)}.values())


def stated_facts(lead: int, as_of: dt.date) -> list[KnownFact]:
    """Return everything stated of a lead that is known and kept as of a date, by date and delivery."""
    return sorted(_stated(lead, as_of), key=lambda each: (each.as_of, each.delivery))


def _stated(lead: int, as_of: dt.date) -> Iterator[KnownFact]:
    """Yield the same in the order of the definitions.

    The few rows of one lead are compared here: to compile a query for every fact takes most of a second.
    """
    settings, facts = current_settings(), catalogue.definitions()
    state = activity.snapshot(activity_root(settings))
    if not state.facts or not facts:
        return
    columns = columns_of(facts)
    rows = [row for row in store.history(state, columns, lead) if row["known_on"] <= as_of]
    for column in columns:
        oldest = as_of - dt.timedelta(days=column.keep_days)
        for row in rows:
            if row[column.name] is not None and oldest <= row["as_of"] <= as_of:
                dates = (row["as_of"], row["known_on"])
                yield KnownFact(facts[column.fact], row[column.name], *dates, row["batch"], row["delivery"])


def facts_of(lead: int, as_of: dt.date) -> dict[str, dict[str, Any]]:
    """Return the facts known of a lead as of a date: code → value, as_of and known_on, for JSON."""
    return {
        each.fact.code: {
            "value": as_json(each.value),
            "as_of": each.as_of.isoformat(),
            "known_on": each.known_on.isoformat(),
        }
        for each in known_facts(lead, as_of)
    }
