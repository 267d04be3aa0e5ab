"""The score of a hit: events weighted by type, each worth half as much after every half-life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.activity import event_types
from app.activity.errors import ActivityError
from app.lib.lazy import lazy

if TYPE_CHECKING:
    import ibis
else:
    ibis = lazy("ibis")


@dataclass(frozen=True)
class Score:
    """Weights by event type (0 for a missing one), and the half-life of an event's weight in days."""

    half_life_days: float
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.half_life_days > 0:
            raise ActivityError("half_life_days must be positive, not %(days)s", days=self.half_life_days)

    def __hash__(self) -> int:
        # A mapping has none.
        return hash((self.half_life_days, frozenset(self.weights.items())))


def scored(rows: ibis.Table, score: Score) -> ibis.Table:
    """Return for each lead and date `as_of` the score, and the counts by event type and age it sums up."""
    known = event_types.REGISTRY
    names = ibis.cases(*((rows.type == each.number, name) for name, each in known.items()), else_="")
    age = rows.as_of.delta(rows.day, unit="day")
    keys = {"lead": rows.lead, "as_of": rows.as_of, "event_type": names, "age_days": age}
    counted = rows.group_by(**keys).agg(n=rows.n.sum())
    weight = ibis.cases(
        *((counted.event_type == name, float(score.weights.get(name, 0.0))) for name in known),
        else_=0.0,
    )
    worth = counted.n * weight * ibis.literal(0.5) ** (counted.age_days / float(score.half_life_days))
    part = ibis.struct({name: counted[name] for name in ("event_type", "age_days", "n")})
    # Rounded, because the order of a parallel sum changes its last digits, and hits must be reproducible.
    summed = counted.group_by("lead", "as_of")
    return summed.agg(score=worth.sum().round(6), by_type_age=part.collect().sort())
