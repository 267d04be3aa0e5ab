"""Strategy tables: what they say, and the steps of a journey that they mean.

A step of the kind ``strategy`` becomes a branch whose cases are the rows of its table, and the contacts and
hand-overs that they name. The ids of those begin with the id of the step and say what they do, so that a
step has the same id in every version in which it does the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from app.errors import DomainError
from app.journeys.definition import (
    MAX_STEPS,
    Branch,
    Case,
    Codes,
    Contact,
    Days,
    Hand,
    JourneyDef,
    Strategy,
    reachable,
)
from app.lib.fields import Word, distinct
from app.lib.strict import Code, Strict
from app.segments.filter import MAX_CHOICES, MAX_TESTS, AllOf, AnyOf, Grade, HitFilter, HitTest, tests_of

MAX_ROWS = 100
DEFAULT_DAYS = 30
#: how many cases a branch has at most
MAX_CASES = 20
#: how long the id of a step is at most
MAX_ID = 32
NOTHING = "nobody"


class RowDef(Strict):
    """A row: whom it answers, and what becomes of them. An empty list is any."""

    segments: Codes = []
    grades: Annotated[list[Grade], AfterValidator(distinct)] = []
    products: Codes = []
    channel: Literal["sms", "call", "none"] = "none"
    template: Code | None = None
    hand_to: Literal["owner", "branch", "nobody"] = "nobody"

    @model_validator(mode="after")
    def _has_its_template(self) -> Self:
        if (self.channel == "none") != (self.template is None):
            raise ValueError("a row with a channel has a template, one without has none")
        return self

    @property
    def asks_hits(self) -> bool:
        """Whether the row is for customers with certain hits."""
        return bool(self.grades or self.products)

    @property
    def acts(self) -> bool:
        """Whether anything becomes of those whom the row answers."""
        return self.template is not None or self.hand_to != NOTHING


class TableDef(Strict):
    """A strategy table as in a file. Hits of the last ``days`` days count."""

    code: Code
    name: Word
    description: Annotated[str, Field(max_length=2000)] = ""
    days: Days = DEFAULT_DAYS
    rows: Annotated[list[RowDef], Field(max_length=MAX_ROWS)] = []


@dataclass(frozen=True)
class Book:
    """What tables mean: the tables, the filters of shared segments and the products of rules, by code."""

    tables: Mapping[str, TableDef] = field(default_factory=dict)
    segments: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Collection[str]] = field(default_factory=dict)

    def extended(self, more: Book) -> Book:
        """Return this with more added, or replaced."""
        return Book(
            {**self.tables, **more.tables}, {**self.segments, **more.segments}, {**self.rules, **more.rules}
        )

    def rules_of(self, products: Collection[str]) -> list[str]:
        """Return the rules about one of some products, in the order of their codes."""
        return sorted(code for code, theirs in self.rules.items() if set(theirs) & set(products))


class RowProblem(NamedTuple):
    """Why a table can't be used, and the number of the row where, None for the table itself."""

    row: int | None
    error: DomainError


def problems(table: TableDef, book: Book) -> Iterator[RowProblem]:
    """Yield why the rows of a table mean nothing, apart from their templates and the tests of segments."""
    if not table.rows:
        yield RowProblem(None, DomainError("The strategy table %(table)s has no rows.", table=table.code))
    elif not any(row.acts for row in table.rows):
        yield RowProblem(
            None,
            DomainError(
                "No row of the strategy table %(table)s contacts anybody or hands them over.",
                table=table.code,
            ),
        )
    for number, row in enumerate(table.rows, 1):
        yield from (RowProblem(number, error) for error in _of_row(row, table.days, book))


def _of_row(row: RowDef, days: int, book: Book) -> Iterator[DomainError]:
    missing = [code for code in row.segments if code not in book.segments]
    for code in missing:
        yield DomainError("There is no shared segment with the code %(code)s.", code=code)
    for code in row.products:
        if not book.rules_of([code]):
            yield DomainError("No rule in force is about the product %(code)s.", code=code)
    if len(book.rules_of(row.products)) > MAX_CHOICES:
        yield DomainError("More than %(n)s rules are about the products of the row.", n=MAX_CHOICES)
    elif not missing and sum(1 for _test in tests_of(condition(row, days, book))) > MAX_TESTS:
        yield DomainError("The segments of the row have more than %(n)s tests together.", n=MAX_TESTS)


def condition(row: RowDef, days: int, book: Book) -> Any:
    """Return the filter for those whom a row answers, None for everybody."""
    filters = [book.segments[code] for code in row.segments]
    parts: list[Any] = []
    if filters and all(each is not None for each in filters):
        inside = filters[0] if len(filters) == 1 else AnyOf(any=filters)
        parts += inside.all if isinstance(inside, AllOf) else [inside]
    if row.asks_hits:
        hits = HitFilter(rules=book.rules_of(row.products), grades=row.grades, days=days)
        parts.append(HitTest(hits=hits))
    return AllOf(all=parts) if len(parts) > 1 else parts[0] if parts else None


# -- the steps that it means ---------------------------------------------------------------------------


def unfold(journey: JourneyDef, book: Book) -> JourneyDef:
    """Return a journey with the steps that its strategy tables mean instead of the tables.

    Raises DomainError for a table that can't be used, and a journey that gets too long.
    """
    if not journey.tables():
        return journey
    steps: list[Any] = []
    for step in journey.steps:
        steps += unfolded(step, book) if isinstance(step, Strategy) else [step]
    ids = [step.id for step in steps]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        raise DomainError("Several steps have the id %(id)s.", id=twice)
    # Nobody goes on by ``else`` when a row answers everybody.
    reached = reachable(steps)
    kept = [step for step in steps if step.id in reached]
    if len(kept) > MAX_STEPS:
        raise DomainError(
            "With the rows of its strategy tables the journey has %(n)s steps; %(most)s are possible.",
            n=len(kept),
            most=MAX_STEPS,
        )
    return journey.model_copy(update={"steps": kept})


def unfolded(step: Strategy, book: Book) -> list[Any]:
    """Return the steps that a strategy table means. Raises DomainError for one that can't be used."""
    table = book.tables.get(step.table)
    if table is None:
        raise DomainError("There is no strategy table with the code %(code)s.", code=step.table)
    for each in problems(table, book):
        raise said_of(each, table)
    acts, cases, otherwise = dict[str, list[Any]](), list[Case](), step.else_
    for row in table.rows:
        done = _acts(step, row)
        acts.setdefault(done[0].id if done else "", done)
        to = done[0].id if done else step.then
        when = condition(row, table.days, book)
        if when is None:
            otherwise = to
            break
        cases.append(Case(when=when, then=to))
    found = {each.id: each for some in acts.values() for each in some}
    if not cases:
        return _without_cases(step, otherwise, found)
    return [*_branches(step, cases, otherwise), *found.values()]


def said_of(problem: RowProblem, table: TableDef) -> DomainError:
    """Return a problem with the row and the table where it is."""
    if problem.row is None:
        return problem.error
    return DomainError(
        "Row %(n)s of the strategy table %(table)s: %(why)s",
        n=problem.row,
        table=table.code,
        why=problem.error.said,
    )


def _acts(step: Strategy, row: RowDef) -> list[Any]:
    """Return the steps for those whom a row answers, the first of them first."""
    after: list[Any] = []
    if row.hand_to != NOTHING:
        hand = _id(step.id, f"hand-{row.hand_to}")
        after = [Hand(id=hand, do="hand", to=row.hand_to, then=step.then)]  # type: ignore[arg-type]
    if row.template is None:
        return after
    name = f"{row.channel}-{row.template}" + (f"-{row.hand_to}" if after else "")
    contact = Contact(
        id=_id(step.id, name),
        do="contact",
        channel=row.channel,  # type: ignore[arg-type]
        template=row.template,
        hold_hours=step.hold_hours,
        then=after[0].id if after else step.then,
        held=step.held,
    )
    return [contact, *after]


def _id(step: str, name: str) -> str:
    """Return an id that says what a step does, as far as an id can."""
    written = f"{step}-{re.sub('[^A-Za-z0-9_-]', '-', name)}"
    if written == f"{step}-{name}" and len(written) <= MAX_ID:
        return written
    digest = hashlib.sha256(f"{step} {name}".encode()).hexdigest()[:8]
    return f"{written[: MAX_ID - len(digest) - 1]}-{digest}"


def _branches(step: Strategy, cases: Sequence[Case], otherwise: str) -> Iterator[Branch]:
    """Yield a branch, and more behind it when there are many cases."""
    ids = [
        step.id if first == 0 else _id(step.id, f"from-{first + 1}")
        for first in range(0, len(cases), MAX_CASES)
    ]
    for number, (each, following) in enumerate(zip(ids, [*ids[1:], otherwise], strict=True)):
        mine = [*cases[number * MAX_CASES : (number + 1) * MAX_CASES]]
        yield Branch.model_validate({"id": each, "do": "branch", "cases": mine, "else": following})


def _without_cases(step: Strategy, first: str, found: Mapping[str, Any]) -> list[Any]:
    """Return the steps of a table whose first row answers everybody: they begin with the step's id."""
    if first not in found:
        raise DomainError(
            "The first row of the strategy table %(table)s answers everybody and does nothing.",
            table=step.table,
        )
    return [each.model_copy(update={"id": step.id}) if each.id == first else each for each in found.values()]
