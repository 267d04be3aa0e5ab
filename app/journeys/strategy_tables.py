"""Stored strategy tables: reading, changing and deleting them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.errors import DomainError, FieldError
from app.extensions import db
from app.journeys.strategy import MAX_ROWS, Book, RowDef, TableDef
from app.lib.clock import BEGAN
from app.models import Journey, JourneyVersion, Rule, RuleVersion, Segment, StrategyRow, StrategyTable
from app.segments.as_filter import as_filter
from app.segments.definition import segment_def


def row_def(row: StrategyRow) -> RowDef:
    """Return the definition of a stored row."""
    return RowDef(
        segments=[*row.segments],
        grades=[*row.grades],  # type: ignore[list-item]
        products=[*row.products],
        channel=row.channel,  # type: ignore[arg-type]
        template=row.template or None,
        hand_to=row.hand_to,  # type: ignore[arg-type]
    )


def table_def(table: StrategyTable) -> TableDef:
    """Return the definition of a stored table."""
    return TableDef(
        code=table.code,
        name=table.name,
        description=table.description,
        days=table.days,
        rows=[row_def(row) for row in table.rows],
    )


def read_tables() -> list[TableDef]:
    """Return all stored tables in the order in which they were made."""
    query = select(StrategyTable).options(selectinload(StrategyTable.rows)).order_by(StrategyTable.id)
    return [table_def(row) for row in db.session.scalars(query)]


def stored(codes: Collection[str]) -> list[StrategyTable]:
    """Return the stored tables with some codes."""
    return list(db.session.scalars(select(StrategyTable).where(StrategyTable.code.in_(codes))))


def read_book() -> Book:
    """Return the stored tables with what they name."""
    tables = read_tables()
    if not tables:
        return Book()
    segments = {code for table in tables for row in table.rows for code in row.segments}
    return Book({table.code: table for table in tables}, read_segments(segments), read_rules())


def read_segments(codes: set[str]) -> dict[str, Any]:
    """Return the filters of shared segments by code, None for one that has all leads."""
    query = select(Segment).where(Segment.shared, Segment.code.in_(codes))
    return {row.code: as_filter(segment_def(row.definition)) for row in db.session.scalars(query)}


def read_rules() -> dict[str, list[str]]:
    """Return the products of the rules that have a version in force, by the code of the rule."""
    in_force = Rule.active_version_id == RuleVersion.id
    query = select(Rule.code, RuleVersion.products).join(RuleVersion, in_force)
    return {code: [*products] for code, products in db.session.execute(query).tuples()}


# -- changing ------------------------------------------------------------------------------------------


def store(definition: TableDef, username: str) -> StrategyTable:
    """Create a table, or let the one with the code say what a definition says. Flushes."""
    table = db.session.scalar(select(StrategyTable).where(StrategyTable.code == definition.code))
    if table is None:
        table = StrategyTable(code=definition.code, updated_by=username)
        db.session.add(table)
    table.name, table.description = definition.name, definition.description
    table.days, table.updated_by = definition.days, username
    table.rows = [_row(row, place) for place, row in enumerate(definition.rows, 1)]
    db.session.flush()
    return table


def _row(row: RowDef, place: int) -> StrategyRow:
    return StrategyRow(position=place, **(row.model_dump() | {"template": row.template or ""}))


def put(row: StrategyRow, place: int | None, username: str) -> None:
    """Store a new or changed row at a place of its table, at the end by default. Flushes.

    Raises FieldError for a table that is full.
    """
    row.position = row.position or 0
    db.session.add(row)
    others = [each for each in _rows(row.table) if each is not row]
    if len(others) >= MAX_ROWS:
        raise FieldError("place", "A strategy table has at most %(n)s rows.", n=MAX_ROWS)
    at = len(others) if place is None else min(place - 1, len(others))
    _number([*others[:at], row, *others[at:]])
    touch(row.table, username)


def shift(row: StrategyRow, by: int, username: str) -> None:
    """Move a row up or down, as far as there are others. Flushes."""
    place = _rows(row.table).index(row) + 1
    put(row, max(1, place + by), username)


def take_out(row: StrategyRow, username: str) -> None:
    """Delete a row. Flushes."""
    table = row.table
    db.session.delete(row)
    _number(_rows(table))
    touch(table, username)


def _rows(table: StrategyTable) -> list[StrategyRow]:
    """Return the rows of a table as they are stored. Nobody else changes them until the transaction ends."""
    db.session.flush()
    db.session.execute(select(StrategyTable.id).where(StrategyTable.id == table.id).with_for_update())
    query = select(StrategyRow).where(StrategyRow.table_id == table.id)
    ordered = query.order_by(StrategyRow.position, StrategyRow.id)
    return list(db.session.scalars(ordered.execution_options(populate_existing=True)))


def _number(rows: Sequence[StrategyRow]) -> None:
    for place, row in enumerate(rows, 1):
        row.position = place


def touch(table: StrategyTable, username: str) -> None:
    """Record who changed a table, or its rows, and when. Flushes."""
    table.updated_by, table.updated_at = username, BEGAN
    db.session.flush()
    db.session.expire(table, ["rows"])


# -- who uses it ---------------------------------------------------------------------------------------


def users_of(code: str) -> list[JourneyVersion]:
    """Return the versions that name a table: those in force, and those that may come into force."""
    asks: Any = [{"do": "strategy", "table": code}]
    query = (
        select(JourneyVersion)
        .join(Journey, Journey.id == JourneyVersion.journey_id)
        .where(
            JourneyVersion.status != "retired",
            JourneyVersion.spec["steps"].contains(asks) | JourneyVersion.written["steps"].contains(asks),
        )
        .order_by(Journey.code, JourneyVersion.number)
    )
    return list(db.session.scalars(query))


def delete(table: StrategyTable) -> None:
    """Delete a table. Raises DomainError while a journey names it."""
    if using := users_of(table.code):
        raise DomainError(
            "%(version)s names the strategy table %(table)s, so it can't be deleted.",
            version=str(using[0]),
            table=table.name,
        )
    db.session.delete(table)
