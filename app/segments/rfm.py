"""RFM groups: customers by how recently, how often and for how much they bought, in fifths.

Each measure is cut at its quintiles among the customers of the twelve months up to a date, 5 being the most
recent, the most purchases and the largest amount (Hughes 1994, "Strategic Database Marketing"). Customers
with the same value are in the same fifth, so that fifths are uneven where many have one value, as most have
one purchase.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, select

from app.errors import DomainError
from app.extensions import db
from app.lib.frames import pd
from app.models import Lead
from app.segments.value import bought

FIFTHS = (1, 2, 3, 4, 5)
#: the measures: recency, frequency, money
MEASURES = ("last", "times", "amount")
_KINDS: dict[str, Callable[[str], Any]] = {"last": dt.date.fromisoformat, "times": int, "amount": Decimal}


@dataclass(frozen=True)
class Bought:
    """Customers by what they bought in the twelve months up to a day, each bound included.

    Its text form is the value of the list filter.
    """

    day: dt.date
    bounds: tuple[tuple[str, Any, Any], ...]

    def __str__(self) -> str:
        return "~".join([str(self.day), *(f"{name}={low}..{high}" for name, low, high in self.bounds)])

    @classmethod
    def parse(cls, text: str) -> Bought:
        """Parse the text form. Raises DomainError when it is invalid."""
        day, *parts = text.split("~")
        try:
            return cls(dt.date.fromisoformat(day), tuple(_bound(part) for part in parts))
        except (ValueError, InvalidOperation, KeyError):
            message = "This is not a group of customers by what they bought: %(text)s"
            raise DomainError(message, text=text[:60]) from None

    def criterion(self) -> ColumnElement[bool]:
        """Return the criterion on Lead."""
        each = bought(self.day).c
        within = (each[name].between(low, high) for name, low, high in self.bounds)
        return Lead.id.in_(select(each.lead_id).where(and_(True, *within)))


def _bound(part: str) -> tuple[str, Any, Any]:
    name, _sign, ends = part.partition("=")
    low, high = map(_KINDS[name], ends.split(".."))
    return name, low, high


def groups(day: dt.date, people: ColumnElement[bool]) -> Any:
    """Return a table of the groups that have customers among ``people``, a criterion on Lead.

    Columns: the fifth of each of MEASURES, the ends of its values there, people, and the value of all.
    """
    each = bought(day)
    scoped = select(each).join(Lead, Lead.id == each.c.lead_id).where(people).cte("scoped")
    edges = select(
        *(
            func.percentile_disc(part / 5).within_group(scoped.c[name]).label(f"{name}_{part}")
            for name in MEASURES
            for part in FIFTHS[:-1]
        )
    ).cte("edges")
    fifths = [_fifth(scoped.c[name], name, edges.c).label(f"fifth_{name}") for name in MEASURES]
    ends = [
        of(scoped.c[name]).label(f"{word}_{name}")
        for name in MEASURES
        for word, of in (("low", func.min), ("high", func.max))
    ]
    query = (
        select(*fifths, *ends, func.count().label("people"), func.sum(scoped.c.value).label("value"))
        .select_from(scoped.join(edges, literal(True)))
        .group_by(*fifths)
    )
    found = db.session.execute(query)
    return pd.DataFrame(found.all(), columns=list(found.keys()))


def _fifth(value: Any, name: str, edges: Any) -> ColumnElement[int]:
    """Return 1 and the number of edges below a value."""
    return sum((case((value > edges[f"{name}_{part}"], 1), else_=0) for part in FIFTHS[:-1]), literal(1))
