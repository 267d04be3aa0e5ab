"""Facts in texts: which a template may name, and what a text says of a customer.

A template names a fact as ``{fact:CODE}``. It must be a figure, a date or a choice, its purpose must be
marketing, and it must not be sensitive. A customer of whom it isn't known gets no message.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from app.activity import store
from app.errors import N_, FieldError
from app.facts import catalogue
from app.facts.definition import FactDef
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib.lazy import lazy
from app.lib.settings import current_settings

if TYPE_CHECKING:
    from app.facts import matching
else:
    matching = lazy("app.facts.matching")

PREFIX = "fact:"
#: free text and yes or no are no part of a sentence that somebody has approved
KINDS = ("number", "money", "date", "choice")
_NAMED = re.compile(r"\{fact:([^{}]*)\}")
#: what a text says of customers: by the id of the lead, the value of each variable that is known
Told = Mapping[int, Mapping[str, str]]


def named(body: str) -> list[str]:
    """Return the codes of the facts that a text names, each once."""
    return list(dict.fromkeys(_NAMED.findall(body)))


def usable(facts: Iterable[FactDef]) -> dict[str, FactDef]:
    """Return the facts that a text may name, by code."""
    return {fact.code: fact for fact in facts if _why_not(fact) is None}


def check(code: str, facts: Iterable[FactDef]) -> None:
    """Raise FieldError when a text may not name a fact."""
    fact = next((each for each in facts if each.code == code), None)
    if fact is None:
        raise FieldError("body", "There is no fact %(code)s.", code=code[:64])
    if message := _why_not(fact):
        raise FieldError("body", message, name=fact.name)


def _why_not(fact: FactDef) -> str | None:
    if fact.purpose != "marketing":
        return N_("“%(name)s” may not stand in a text: its purpose is not marketing.")
    if fact.sensitive:
        return N_("“%(name)s” may not stand in a text: it is sensitive.")
    if fact.kind not in KINDS:
        return N_("“%(name)s” may not stand in a text: only numbers, money, dates and choices may.")
    return None


def tell(bodies: Iterable[str], leads: Sequence[int], day: dt.date) -> Told:
    """Return what the texts say of the leads as known on a date; nothing of facts that may not be named."""
    codes = {code for body in bodies for code in named(body)}
    if not codes or not leads:
        return {}
    facts = catalogue.definitions()
    columns = dict(zip((fact.code for fact in facts.values()), columns_of(facts), strict=True))
    wanted = {code: fact for code, fact in usable(facts.values()).items() if code in codes}
    settings = current_settings()
    rows = matching.values(
        store.snapshot(activity_root(settings)),
        {code: columns[code] for code in wanted},
        day,
        leads,
        settings=engine_settings(settings),
    )
    return {
        lead: {
            PREFIX + code: in_text(wanted[code], value) for code, value in known.items() if value is not None
        }
        for lead, known in rows
    }


def lacks(body: str, told: Collection[str]) -> bool:
    """Return whether a text names a fact that isn't known of a customer, whose known variables are given."""
    return any(PREFIX + code not in told for code in named(body))


def in_text(fact: FactDef, value: Any) -> str:
    """Return a value as a text says it: money rounded to multiples of ``round_to``."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if not isinstance(value, int | float):
        return str(value)
    number = Decimal(str(value))
    if fact.kind == "money":
        number = (number / fact.round_to).quantize(Decimal(1), ROUND_HALF_UP) * fact.round_to
    figure = f"{number:,.6f}".rstrip("0").rstrip(".")
    space = " " if fact.unit[:1].isalpha() and fact.unit[:1].isascii() else ""
    return f"{figure}{space}{fact.unit}"
