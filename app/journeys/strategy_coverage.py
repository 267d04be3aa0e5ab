"""Which customers the rows of a strategy table answer: gaps, overlaps and rows that are never reached.

A combination is a hit (its grade and a product of its rule) or none, and the segments that a customer is in,
of which there may be any number. Rows ask for one of several segments, so that who is in more of them is
answered by more rows: the gaps of a hit are those who are in none of the segments of the rows that match it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select

from app.access.scope import leads_visible_to
from app.extensions import db
from app.journeys.strategy import Book, RowDef, TableDef, condition
from app.lib.clock import today
from app.lib.deadline import Deadline, DeadlineExceeded
from app.lib.settings import current_settings
from app.models import Lead, Rule
from app.segments.evaluation import Evaluation
from app.segments.filter import AnyOf, HitFilter, HitTest, NotOf

GRADES = ("A", "B", "C", "D")


class Cell(NamedTuple):
    """A hit of a grade for a product, None for one that no row names; without grade no hit at all."""

    grade: str | None
    product: str | None


NO_HIT = Cell(None, None)


class Gap(NamedTuple):
    """Hits that no row answers unless the customer is in one of some segments.

    ``products`` may hold None for any that the table doesn't name. Without grades there is no hit.
    """

    grades: tuple[str, ...]
    products: tuple[str | None, ...]
    outside: tuple[str, ...]


class Overlap(NamedTuple):
    """What two rows, by their numbers, answer both; the first of them counts.

    Grades and products are those of both, empty for any. ``segments`` are in both rows, else customers are
    in one of ``ones`` and in one of ``others`` at once; all three are empty for any.
    """

    first: int
    second: int
    grades: tuple[str, ...]
    products: tuple[str, ...]
    segments: tuple[str, ...]
    ones: tuple[str, ...]
    others: tuple[str, ...]


class Coverage:
    """What the rows of a table answer. ``everybody`` are the codes of segments that have all leads."""

    def __init__(self, table: TableDef, everybody: Collection[str] = ()) -> None:
        self.rows = [_without(row, everybody) for row in table.rows]
        named = (code for row in self.rows for code in row.products)
        self.products: tuple[str | None, ...] = (*dict.fromkeys(named), None)
        self.segments = tuple(dict.fromkeys(code for row in self.rows for code in row.segments))
        hits = [Cell(grade, product) for product in self.products for grade in GRADES]
        self._matching = {cell: _matching(self.rows, cell) for cell in (*hits, NO_HIT)}

    def answering(self, cell: Cell, segment: str | None) -> list[int]:
        """Return the numbers of the rows for those who are in a segment alone, or in none."""
        return [
            number
            for number in self._matching[cell]
            if not (inside := self.rows[number - 1].segments) or segment in inside
        ]

    def gaps(self) -> list[Gap]:
        """Return what no row answers, alike combinations as one."""
        by_product: dict[tuple[str | None, tuple[str, ...]], list[str]] = defaultdict(list)
        for cell, numbers in self._matching.items():
            outside = self._outside(numbers)
            if outside is not None and cell.grade is not None:
                by_product[cell.product, outside].append(cell.grade)
        found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str | None]] = defaultdict(list)
        for (product, outside), grades in by_product.items():
            found[tuple(grades), outside].append(product)
        gaps = [Gap(grades, tuple(products), outside) for (grades, outside), products in found.items()]
        outside_all = self._outside(self._matching[NO_HIT])
        return gaps + ([Gap((), (), outside_all)] if outside_all is not None else [])

    def _outside(self, numbers: Sequence[int]) -> tuple[str, ...] | None:
        """Return in none of which segments those are whom no row answers; None when each is answered."""
        rows = [self.rows[number - 1] for number in numbers]
        if any(not row.segments for row in rows):
            return None
        asked = {code for row in rows for code in row.segments}
        return tuple(code for code in self.segments if code in asked)

    def overlaps(self) -> list[Overlap]:
        """Return what two rows answer both, in the order of the rows."""
        numbered = [*enumerate(self.rows, 1)]
        pairs = ((one, other) for one in numbered for other in numbered[one[0] :])
        return [each for (n, row), (m, other) in pairs if (each := _overlap(n, row, m, other)) is not None]

    def unreached(self) -> list[int]:
        """Return the numbers of the rows before which others answer everybody."""
        return [number for number in range(1, len(self.rows) + 1) if not self._is_reached(number)]

    def _is_reached(self, number: int) -> bool:
        inside: Sequence[str | None] = self.rows[number - 1].segments or [None]
        cells = (cell for cell, numbers in self._matching.items() if number in numbers)
        return any(self.answering(cell, each)[0] == number for cell in cells for each in inside)


def _without(row: RowDef, everybody: Collection[str]) -> RowDef:
    """Return a row without segments if one of them has all leads."""
    return row.model_copy(update={"segments": []}) if set(row.segments) & set(everybody) else row


def _matching(rows: Sequence[RowDef], cell: Cell) -> list[int]:
    if cell.grade is None:
        return [number for number, row in enumerate(rows, 1) if not row.asks_hits]
    return [
        number
        for number, row in enumerate(rows, 1)
        if (not row.grades or cell.grade in row.grades) and (not row.products or cell.product in row.products)
    ]


def _overlap(n: int, row: RowDef, m: int, other: RowDef) -> Overlap | None:
    grades, products = _both(row.grades, other.grades), _both(row.products, other.products)
    if grades is None or products is None:
        return None
    shared = _both(row.segments, other.segments)
    if shared is None:
        return Overlap(n, m, grades, products, (), tuple(row.segments), tuple(other.segments))
    return Overlap(n, m, grades, products, shared, (), ())


def _both(ones: Sequence[str], others: Sequence[str]) -> tuple[str, ...] | None:
    """Return what two lists have in common, where an empty one is any; None for nothing."""
    if not ones or not others:
        return tuple(ones or others)
    return tuple(each for each in ones if each in others) or None


# -- how many customers --------------------------------------------------------------------------------


def count(user: Any, table: TableDef, book: Book, gaps: Sequence[Gap]) -> list[int] | None:
    """Return how many customers fall in each gap as of yesterday, of those whom a user may see.

    Who has several hits is in a gap only when no row answers any of them. Return None when counting takes too
    long.
    """
    if not gaps:
        return []
    day = today() - dt.timedelta(days=1)
    rules = {code: book.rules.get(code, ()) for code in db.session.scalars(select(Rule.code))}
    wanted = [_hits_of(gap, table, rules) for gap in gaps]
    answered = [condition(row, table.days, book) for row in table.rows]
    if answered:
        wanted.append(NotOf.model_construct(not_=AnyOf.model_construct(any=answered)))
    criteria = Evaluation(current_settings(), day, day).criteria(wanted)
    among, unanswered = criteria[: len(gaps)], criteria[len(gaps) :]
    numbers = (func.count().filter(each) for each in among)
    query = select(*numbers).select_from(Lead).where(leads_visible_to(user), *unanswered)
    try:
        return [*Deadline(db.session).execute(query)[0]]
    except DeadlineExceeded:
        return None


def _hits_of(gap: Gap, table: TableDef, rules: Mapping[str, Collection[str]]) -> Any:
    """Return the filter for those who have a hit of a gap, or none."""
    if not gap.grades:
        return NotOf.model_construct(not_=HitTest(hits=HitFilter(days=table.days)))
    named = {code for row in table.rows for code in row.products}
    theirs = [code for code, products in rules.items() if _is_about(products, gap.products, named)]
    # Without a rule about them there is no such hit.
    asked = [] if set(gap.products) >= {*named, None} else theirs or [""]
    hits = HitFilter.model_construct(rules=asked, grades=[*gap.grades], statuses=[], days=table.days)
    return HitTest.model_construct(hits=hits)


def _is_about(products: Collection[str], wanted: Collection[str | None], named: Collection[str]) -> bool:
    return bool(set(products) & set(wanted)) or (None in wanted and not set(products) & set(named))
