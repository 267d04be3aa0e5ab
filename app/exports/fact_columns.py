"""Facts as columns of exported lists: who may choose which, headers and cells."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app import labels
from app.access.rights import holds
from app.activity import store
from app.errors import DomainError
from app.facts import catalogue
from app.facts.cells import as_json
from app.facts.definition import FactDef
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.lazy import lazy
from app.lib.settings import current_settings
from app.segments.sentence import name_of

if TYPE_CHECKING:
    from app.facts import matching
else:
    matching = lazy("app.facts.matching")

#: the right to see the values of sensitive facts
SENSITIVE = ("can_edit", "FactView")


def allowed(user: Any) -> list[FactDef]:
    """Return the facts for marketing that a user may export: sensitive ones with the right to see them."""
    facts = [fact for fact in catalogue.definitions().values() if fact.purpose == "marketing"]
    may_see = any(fact.sensitive for fact in facts) and holds(user, *SENSITIVE)
    return [fact for fact in facts if may_see or not fact.sensitive]


def chosen(user: Any, codes: Sequence[str]) -> list[FactDef]:
    """Return the facts with some codes. Raises DomainError for one that the user may not export."""
    facts = {fact.code: fact for fact in allowed(user)} if codes else {}
    for code in codes:
        if code not in facts:
            raise DomainError("The fact %(code)s may not be exported.", code=code[:64])
    return [facts[code] for code in codes]


def header(facts: Sequence[FactDef]) -> list[str]:
    """Return the headers of the columns, with units."""
    return [f"{name_of(fact)} ({fact.unit})" if fact.unit else name_of(fact) for fact in facts]


def reader(facts: Sequence[FactDef]) -> Callable[[Sequence[int]], dict[int, list[str]]]:
    """Return a function that returns the cells of leads as known today, without those of whom nothing is."""
    by_code = {fact.code: fact for fact in facts}
    defined, settings, today = catalogue.definitions(), current_settings(), clock.today()
    pairs = zip(defined.values(), columns_of(defined), strict=True)
    columns = {fact.code: column for fact, column in pairs if fact.code in by_code}
    snapshot, engine = store.snapshot(activity_root(settings)), engine_settings(settings)

    def cells(leads: Sequence[int]) -> dict[int, list[str]]:
        rows = matching.values(snapshot, columns, today, leads, settings=engine)
        return {lead: [_cell(known[code]) for code in by_code] for lead, known in rows}

    return cells


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(labels.yes_no(value))
    if isinstance(value, dt.date):
        return value.isoformat()
    plain = as_json(value)
    return f"{plain:.15g}" if isinstance(plain, float) else str(plain)
