"""The value–potential matrix: leads split by two measures into four quadrants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, FromClause, Select, and_, cast, func, literal, select
from sqlalchemy.orm import Session

from app.activity.metrics import METRICS, Metric
from app.errors import DomainError
from app.lib import clock
from app.lib.deadline import Deadline, DeadlineExceeded
from app.models import Hit, Lead
from app.segments import activity
from app.segments.sample import sample
from app.segments.value import bought
from config import Settings

HIT_DAYS = 90
ACTIVITY_DAYS = 30
MAX_THRESHOLD = 10**9
#: the source of a measure: a table of ``lead_id, value`` (no row means 0) or an expression on Lead
Source = FromClause | ColumnElement[Any]


def _hits(session: Session, settings: Settings) -> Source:
    first = clock.today() - dt.timedelta(days=HIT_DAYS - 1)
    hits = select(Hit.lead_id, func.count().label("value")).where(Hit.hit_date >= first)
    return hits.group_by(Hit.lead_id).subquery()


def _best_score(session: Session, settings: Settings) -> Source:
    return select(Hit.lead_id, func.max(Hit.score).label("value")).group_by(Hit.lead_id).subquery()


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


@dataclass(frozen=True)
class Axis:
    """A measure and the value from which a lead counts as high."""

    measure: str
    threshold: float

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise DomainError("There is no such measure: %(name)s", name=self.measure[:40])
        if not 0 <= self.threshold <= MAX_THRESHOLD:
            raise DomainError("A threshold must be between 0 and %(most)s.", most=MAX_THRESHOLD)


@dataclass(frozen=True)
class Quadrant:
    """One of the four parts, high or low on each axis. Its text form is the value of the list filter."""

    x: Axis
    y: Axis
    x_high: bool
    y_high: bool

    def __str__(self) -> str:
        return "~".join(
            f"{axis.measure}{'>=' if high else '<'}{axis.threshold:g}"
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
        return Axis(measure, float(threshold)), sign == ">="
    except ValueError:
        raise DomainError("This is not a quadrant of the matrix: %(text)s", text=part[:60]) from None


def leads_of(session: Session, quadrant: Quadrant, settings: Settings) -> Select[int]:
    """Return a query for the ids of a quadrant's live leads, for use in ``session``'s present transaction."""
    values = _values(session, [quadrant.x, quadrant.y], settings, Lead.deleted_at.is_(None))
    sides = (
        (values.c.value_0, quadrant.x, quadrant.x_high),
        (values.c.value_1, quadrant.y, quadrant.y_high),
    )
    return select(values.c.id).where(
        and_(*(value >= axis.threshold if high else value < axis.threshold for value, axis, high in sides))
    )


def median(
    session: Session, measure: str, settings: Settings, scope: ColumnElement[bool], seconds: float | None
) -> float:
    """Return the median of a measure over the leads of ``scope`` with a positive value, 1 without any.

    It is estimated from a sample when the exact one takes longer than ``seconds``.
    """
    axes = [Axis(measure, 0)]

    def of(deadline: Deadline, scope: ColumnElement[bool]) -> Any:
        values = _values(session, axes, settings, scope)
        middle = func.percentile_disc(0.5).within_group(values.c.value_0)
        return deadline.execute(select(cast(middle, Float)).where(values.c.value_0 > 0))[0][0]

    try:
        value = of(Deadline(session, seconds), scope)
    except DeadlineExceeded:
        value = of(Deadline(session, None), and_(sample(session).of, scope))
    return round(float(value), 2) if value else 1.0


def count(
    session: Session,
    x: Axis,
    y: Axis,
    settings: Settings,
    scope: ColumnElement[bool],
    seconds: float | None,
) -> tuple[dict[tuple[bool, bool], int], bool]:
    """Return the number of leads in each quadrant by (high on x, high on y), and whether it is exact.

    The numbers are estimated from a sample when exact ones take longer than ``seconds``.
    """

    def of(deadline: Deadline, scope: ColumnElement[bool]) -> Any:
        values = _values(session, [x, y], settings, scope)
        sides = (values.c.value_0 >= x.threshold, values.c.value_1 >= y.threshold)
        return deadline.execute(select(*sides, func.count()).group_by(*sides))

    part = None
    try:
        rows = of(Deadline(session, seconds), scope)
    except DeadlineExceeded:
        part = sample(session)
        rows = of(Deadline(session, None), and_(part.of, scope))
    counts = {(x_high, y_high): part.scaled(n) if part else n for x_high, y_high, n in rows}
    corners = [(right, top) for right in (False, True) for top in (False, True)]
    return {corner: counts.get(corner, 0) for corner in corners}, part is None


def _values(session: Session, axes: list[Axis], settings: Settings, scope: ColumnElement[bool]) -> Any:
    """Return a subquery of the leads of ``scope`` with the columns id and value_0, value_1 … for the axes."""
    joined: Any = Lead.__table__
    columns: list[ColumnElement[Any]] = []
    for number, axis in enumerate(axes):
        source = MEASURES[axis.measure](session, settings)
        if isinstance(source, FromClause):
            table = source.alias(f"measure_{number}")
            joined = joined.outerjoin(table, table.c.lead_id == Lead.id)
            source = func.coalesce(table.c.value, 0)
        columns.append(source.label(f"value_{number}"))
    return select(Lead.id, *columns).select_from(joined).where(scope).subquery()
