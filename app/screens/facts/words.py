"""Facts and their values as people read them."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from app import labels
from app.console.access import may
from app.exports import fact_columns
from app.facts.definition import FactDef
from app.facts.lead import KnownFact
from app.segments.sentence import name_of


def value_text(fact: FactDef, value: Any) -> str:
    """Return a value with its unit."""
    if fact.kind == "flag":
        return str(labels.yes_no(value))
    if fact.kind in ("number", "money"):
        number = f"{value:,.2f}" if fact.kind == "money" else f"{value:,.6f}"
        number = number.rstrip("0").rstrip(".")
        return f"{number} {fact.unit}".rstrip()
    return str(value)


def may_see(fact: FactDef) -> bool:
    """Whether the user may see values: those of sensitive facts only who may change definitions."""
    return not fact.sensitive or may(*fact_columns.SENSITIVE)


def lines(known: list[KnownFact]) -> list[dict[str, Any]]:
    """Return what is known of a lead as lines of a table."""
    return [
        {
            "name": name_of(each.fact),
            "value": value_text(each.fact, each.value) if may_see(each.fact) else _("not shown (sensitive)"),
            "as_of": each.as_of.isoformat(),
            "known_on": each.known_on.isoformat(),
            "batch": each.batch,
        }
        for each in known
    ]
