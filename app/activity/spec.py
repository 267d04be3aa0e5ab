"""Rules over a lead's activity, as plain data."""

from dataclasses import dataclass
from typing import Any, Literal

from app.activity import operators
from app.activity.errors import ActivityError
from app.activity.event_types import EVENT_TYPES, EventType
from app.activity.metrics import METRICS, Metric
from app.activity.operators import OPERATORS, Operator

Match = Literal["all", "any"]
ResultFilter = Literal["any", "success"]


@dataclass(frozen=True)
class Condition:
    """One condition: `metric` over the matching events of the last `window_days` dates, compared to `value`.

    `hours` (a, b) keeps a <= hour < b and wraps midnight when a > b. `institutions` are codes, resolved from
    institutions, categories and regions. There and in `event_types`, None means all and an empty set none.
    With `against_days` the value is the whole percent, rounded down, by which the metric fell against the
    window that ended so many days before: 0 when it didn't fall.
    """

    metric: Metric
    op: Operator
    value: int
    window_days: int
    hours: tuple[int, int] = (0, 24)
    institutions: frozenset[str] | None = None
    event_types: frozenset[EventType] | None = None
    result: ResultFilter = "any"
    against_days: int | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ActivityError("unknown metric: %(metric)s", metric=self.metric)
        if self.op not in OPERATORS:
            raise ActivityError("unknown operator: %(op)s", op=self.op)
        if self.window_days < 1:
            raise ActivityError("window_days must be at least 1, not %(n)s", n=self.window_days)
        if self.against_days is not None and self.against_days < 1:
            raise ActivityError("against_days must be at least 1, not %(n)s", n=self.against_days)
        if not (0 <= self.hours[0] <= 24 and 0 <= self.hours[1] <= 24):
            raise ActivityError("hours must lie between 0 and 24, not %(hours)s", hours=self.hours)
        unknown = (self.event_types or frozenset()) - set(EVENT_TYPES)
        if unknown:
            raise ActivityError("unknown event type: %(types)s", types=", ".join(sorted(unknown)))

    @property
    def reach_days(self) -> int:
        """The days back from which events are needed, those of the window before included."""
        return self.window_days + (self.against_days or 0)

    @property
    def window_ends(self) -> tuple[int, ...]:
        """How many days before the date the windows end that are counted."""
        return (0,) if self.against_days is None else (0, self.against_days)

    def holds(self, value: Any) -> Any:
        """Return whether a value meets the condition, for each value of an Ibis column or a NumPy array."""
        return operators.REGISTRY[self.op].compare(value, self.value)


@dataclass(frozen=True)
class RuleSpec:
    """A rule: all or any of at least one condition. Values are reported in the order of the conditions."""

    match: Match
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        if self.match not in ("all", "any"):
            raise ActivityError("match must be all or any, not %(match)s", match=self.match)
        if not self.conditions:
            raise ActivityError("a rule needs at least one condition")

    @property
    def window_days(self) -> int:
        """The length in days of the widest window, in which a lead needs at least one event."""
        return max(condition.reach_days for condition in self.conditions)
