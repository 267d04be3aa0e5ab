"""The value–potential matrix: leads split by two measures into four quadrants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
    true,
)
from sqlalchemy.orm import Session

from app.activity import store
from app.activity.metrics import METRICS, Metric
from app.errors import DomainError
from app.facts import catalogue, conditions
from app.facts.conditions import FactTest
from app.facts.importer import columns_of
from app.leads.cube import activity_root, engine_settings
from app.lib import clock
from app.lib.deadline import Deadline, DeadlineExceeded
from app.lib.lazy import lazy
from app.models import Hit, Lead
from app.segments import activity
from app.segments.evaluation import Evaluation
from app.segments.sample import sample
from app.segments.value import bought
from config import Settings

if TYPE_CHECKING:
    from app.facts import matching
else:
    matching = lazy("app.facts.matching")

HIT_DAYS = 90
ACTIVITY_DAYS = 30
MAX_THRESHOLD = 10**9
#: the largest threshold of a fact
MAX_AMOUNT = 10**15
#: the source of a measure: a table of ``lead_id, value`` (no row means 0) or an expression on Lead
Source = FromClause | ColumnElement[Any]


def _hits(session: Session, settings: Settings) -> Source:
    first = clock.today() - dt.timedelta(days=HIT_DAYS - 1)
    hits = select(Hit.lead_id, func.count().label("value")).where(Hit.live, Hit.hit_date >= first)
    return hits.group_by(Hit.lead_id).subquery()


def _best_score(session: Session, settings: Settings) -> Source:
    best = select(Hit.lead_id, func.max(Hit.score).label("value")).where(Hit.live)
    return best.group_by(Hit.lead_id).subquery()


def _value(session: Session, settings: Settings) -> Source:
    each = bought(clock.today())
    return select(each.c.lead_id, each.c.value).subquery()


def _days_known(session: Session, settings: Settings) -> Source:
    today = clock.today()
    return literal(today) - func.date(func.timezone(str(settings.zone), Lead.created_at))


def _active(metric: Metric) -> Callable[[Session, Settings], Source]:
    def source(session: Session, settings: Settings) -> Source:
        return activity.table_of(session, settings, metric, ACTIVITY_DAYS, 1)

    return source


#: measure → its source; the display names are in app/labels.py
MEASURES: dict[str, Callable[[Session, Settings], Source]] = {
    "hits": _hits,
    "best_score": _best_score,
    "value": _value,
    **{metric: _active(metric) for metric in METRICS},
    "days_known": _days_known,
}


#: what the measures begin with that are facts of the kinds FACT_KINDS
FACT = "fact:"
FACT_KINDS = ("number", "money", "date")


@dataclass(frozen=True)
class Axis:
    """A measure and the value from which a lead counts as high.

    A fact (``fact:CODE``) counts as it is known today; of whom it isn't known is neither high nor low. The
    threshold of a fact that is a date is a date.
    """

    measure: str
    threshold: float | dt.date

    def __post_init__(self) -> None:
        if self.measure not in MEASURES and not self.measure.startswith(FACT):
            raise DomainError("There is no such measure: %(name)s", name=self.measure[:40])
        if isinstance(self.threshold, dt.date) and self.fact is None:
            raise DomainError("“%(value)s” is not a number.", value=self.threshold.isoformat())
        least = -MAX_AMOUNT if self.fact else 0
        most = MAX_AMOUNT if self.fact else MAX_THRESHOLD
        if not isinstance(self.threshold, dt.date) and not least <= self.threshold <= most:
            raise DomainError("A threshold must be between %(least)s and %(most)s.", least=least, most=most)

    @property
    def fact(self) -> str | None:
        """The code of the fact, None for another measure."""
        return self.measure.removeprefix(FACT) if self.measure.startswith(FACT) else None

    @property
    def threshold_text(self) -> str:
        """The threshold as it is typed."""
        return threshold_text(self.threshold)


def threshold_text(threshold: float | dt.date) -> str:
    """Return a threshold as it is typed."""
    return threshold.isoformat() if isinstance(threshold, dt.date) else f"{threshold:.15g}"


def read_threshold(text: str) -> float | dt.date:
    """Return a typed threshold: a number, or a date such as 2027-01-31. Raises DomainError."""
    for read in (float, dt.date.fromisoformat):
        with suppress(ValueError):
            return read(text.strip())
    raise DomainError("“%(value)s” is not a number.", value=text[:20])


@dataclass(frozen=True)
class Quadrant:
    """One of the four parts, high or low on each axis. Its text form is the value of the list filter."""

    x: Axis
    y: Axis
    x_high: bool
    y_high: bool

    def __str__(self) -> str:
        return "~".join(
            f"{axis.measure}{'>=' if high else '<'}{axis.threshold_text}"
            for axis, high in ((self.x, self.x_high), (self.y, self.y_high))
        )

    @classmethod
    def parse(cls, text: str) -> Quadrant:
        """Parse the text form of a quadrant. Raises DomainError when it is invalid."""
        parts = [_parse(part) for part in text.split("~")]
        if len(parts) != 2:
            raise DomainError("This is not a quadrant of the matrix: %(text)s", text=text[:60])
        (x, x_high), (y, y_high) = parts
        return cls(x, y, x_high, y_high)


def _parse(part: str) -> tuple[Axis, bool]:
    sign = ">=" if ">=" in part else "<"
    measure, _sign, threshold = part.partition(sign)
    try:
        return Axis(measure, read_threshold(threshold)), sign == ">="
    except DomainError:
        raise DomainError("This is not a quadrant of the matrix: %(text)s", text=part[:60]) from None


def leads_of(session: Session, quadrant: Quadrant, settings: Settings) -> Select[int]:
    """Return a query for the ids of a quadrant's live leads, for use in ``session``'s present transaction.

    Raises DomainError for a fact that is gone or can't be compared so.
    """
    sides = _sides(session, [quadrant.x, quadrant.y], settings, Lead.deleted_at.is_(None))
    return select(sides.c.id).where(sides.c.high_0.is_(quadrant.x_high), sides.c.high_1.is_(quadrant.y_high))


def median(
    session: Session, measure: str, settings: Settings, scope: ColumnElement[bool], seconds: float | None
) -> float | dt.date:
    """Return the median of a measure over the leads of ``scope`` with a positive value, 1 without any.

    It is estimated from a sample when the exact one takes longer than ``seconds``, that of a fact always on a
    long list. Raises DomainError for a fact that is gone.
    """
    axis = Axis(measure, 0)
    if axis.fact:
        return _fact_median(session, axis.fact, settings, scope)

    def of(deadline: Deadline, scope: ColumnElement[bool]) -> Any:
        values = _values(session, axis, settings, scope)
        middle = func.percentile_disc(0.5).within_group(values.c.value)
        return deadline.execute(select(cast(middle, Float)).where(values.c.value > 0))[0][0]

    try:
        value = of(Deadline(session, seconds), scope)
    except DeadlineExceeded:
        value = of(Deadline(session, None), and_(sample(session).of, scope))
    return round(float(value), 2) if value else 1.0


def _fact_median(
    session: Session, code: str, settings: Settings, scope: ColumnElement[bool]
) -> float | dt.date:
    facts = catalogue.definitions()
    test = FactTest(fact=code, op=">=", value=0)
    fact = conditions.check_usable(test, {each.code: each for each in facts.values()})
    if fact.kind not in FACT_KINDS:
        raise DomainError("“%(name)s” can't be compared with %(op)s.", name=fact.name, op=">=")
    known = zip(facts.values(), columns_of(facts), strict=True)
    column = next(column for each, column in known if each.code == code)
    among = session.scalars(select(Lead.id).where(sample(session).of, scope)).all()
    state = store.snapshot(activity_root(settings))
    today = clock.today()
    found = matching.middle(state, column, today, among, settings=engine_settings(settings))
    return found if found is not None else today if fact.kind == "date" else 1.0


class Counts(NamedTuple):
    """The leads of each quadrant by (high on x, high on y), and how many are in none, as a fact isn't known.

    They are ``exact``, or estimated from a sample.
    """

    corners: dict[tuple[bool, bool], int]
    unknown: int
    exact: bool


def count(
    session: Session,
    x: Axis,
    y: Axis,
    settings: Settings,
    scope: ColumnElement[bool],
    seconds: float | None,
) -> Counts:
    """Return the number of leads in each quadrant.

    The numbers are estimated from a sample when exact ones take longer than ``seconds``. Raises DomainError
    for a fact that is gone or can't be compared so.
    """

    def of(deadline: Deadline, scope: ColumnElement[bool]) -> Any:
        sides = _sides(session, [x, y], settings, scope)
        high = (sides.c.high_0, sides.c.high_1)
        return deadline.execute(select(*high, func.count()).group_by(*high))

    part = None
    try:
        rows = of(Deadline(session, seconds), scope)
    except DeadlineExceeded:
        part = sample(session)
        rows = of(Deadline(session, None), and_(part.of, scope))
    counts = {(x_high, y_high): part.scaled(n) if part else n for x_high, y_high, n in rows}
    corners = [(right, top) for right in (False, True) for top in (False, True)]
    unknown = sum(n for sides, n in counts.items() if None in sides)
    return Counts({corner: counts.get(corner, 0) for corner in corners}, unknown, part is None)


def _sides(session: Session, axes: list[Axis], settings: Settings, scope: ColumnElement[bool]) -> Any:
    """Return a subquery of the leads of ``scope``: id, high_0, high_1 …; null where a fact isn't known."""
    joined, values = _joined(session, [axis for axis in axes if not axis.fact], settings)
    measured, known = iter(values), iter(_facts_high([axis for axis in axes if axis.fact], settings))
    high = [next(known) if axis.fact else next(measured) >= axis.threshold for axis in axes]
    labelled = [each.label(f"high_{number}") for number, each in enumerate(high)]
    return select(Lead.id, *labelled).select_from(joined).where(scope).subquery()


def _facts_high(axes: list[Axis], settings: Settings) -> list[ColumnElement[Any]]:
    """Return whether leads are high on axes of facts, as expressions on Lead, null where one isn't known.

    All are read in one pass over the facts.
    """
    if not axes:
        return []
    tests = [_compared(axis, op) for axis in axes for op in (">=", "<")]
    facts = {fact.code: fact for fact in catalogue.definitions().values()}
    for test in tests:
        conditions.check(test, facts)
    today = clock.today()
    found = Evaluation(settings, today, today).criteria(tests)
    pairs = zip(found[::2], found[1::2], strict=True)
    return [case((high, true()), (low, false()), else_=null()) for high, low in pairs]


def _compared(axis: Axis, op: Literal[">=", "<"]) -> FactTest:
    threshold = axis.threshold
    value = threshold.isoformat() if isinstance(threshold, dt.date) else threshold
    return FactTest(fact=str(axis.fact), op=op, value=value)


def _values(session: Session, axis: Axis, settings: Settings, scope: ColumnElement[bool]) -> Any:
    """Return a subquery of the leads of ``scope`` with the columns id and value."""
    joined, [value] = _joined(session, [axis], settings)
    return select(Lead.id, value.label("value")).select_from(joined).where(scope).subquery()


def _joined(session: Session, axes: list[Axis], settings: Settings) -> tuple[Any, list[ColumnElement[Any]]]:
    """Return the leads joined with the sources of some axes, and the values of the axes."""
    joined: Any = Lead.__table__
    values: list[ColumnElement[Any]] = []
    for number, axis in enumerate(axes):
        source = MEASURES[axis.measure](session, settings)
        if isinstance(source, FromClause):
            table = source.alias(f"measure_{number}")
            joined = joined.outerjoin(table, table.c.lead_id == Lead.id)
            source = func.coalesce(table.c.value, 0)
        values.append(source)
    return joined, values
