"""Strategy tables in the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from sqlalchemy import select

from app.approvals import Change
from app.errors import FieldError
from app.extensions import db
from app.journeys import strategy_tables
from app.journeys.sentence import read_names, row_sentence
from app.journeys.strategy import RowDef, TableDef
from app.models import OutreachTemplate, Product, Segment, StrategyTable
from app.rulesfile.kind import Kind, field_changes, taken_names

if TYPE_CHECKING:
    from app.rulesfile.schema import ConfigFile


def _problems(config: ConfigFile) -> Iterator[tuple[int, str]]:
    if not config.strategy_tables:
        return
    stored = dict(db.session.execute(select(OutreachTemplate.code, OutreachTemplate.channel)).tuples().all())
    templates = stored | {each.code: each.channel for each in config.templates}
    known = {
        "segments": _codes(Segment.code, Segment.shared) | {each.code for each in config.segments},
        "products": _codes(Product.code) | {each.code for each in config.products},
    }
    for number, table in enumerate(config.strategy_tables):
        for place, row in enumerate(table.rows):
            yield from ((number, f".rows[{place}]{line}") for line in _of_row(row, known, templates))
    yield from taken_names(config.strategy_tables, strategy_tables.read_tables(), _check_name)


def _codes(column: Any, *criteria: Any) -> set[str]:
    return set(db.session.scalars(select(column).where(*criteria)))


def _of_row(row: RowDef, known: dict[str, set[str]], templates: dict[str, str]) -> Iterator[str]:
    for kind, codes in (("segments", row.segments), ("products", row.products)):
        for place, code in enumerate(codes):
            if code not in known[kind]:
                yield f".{kind}[{place}]: {code!r}: unknown {kind.removesuffix('s')} code"
    if row.template is not None and row.template not in templates:
        yield f".template: {row.template!r}: unknown template code"
    elif row.template is not None and templates[row.template] != row.channel:
        yield f".channel: {row.channel!r}: the template is for {templates[row.template]}"


def _check_name(table: TableDef, others: Any) -> None:
    if any(other.name == table.name for other in others):
        raise FieldError("name", "Another strategy table has the name %(name)s.", name=table.name)


def _apply(item: TableDef, user: str, overwrite: bool) -> None:
    table = db.session.scalar(select(StrategyTable).where(StrategyTable.code == item.code))
    if table is None or (overwrite and strategy_tables.table_def(table) != item):
        strategy_tables.store(item, user)


def _changes(old: TableDef | None, new: TableDef) -> list[Change]:
    """Return the fields in which two tables differ, and their rows in sentences."""
    names = read_names()
    before, after = (
        [row_sentence(row, names) for row in table.rows] if table else [] for table in (old, new)
    )
    pairs = enumerate(zip_longest(before, after, fillvalue=""), 1)
    return [
        *(each for each in field_changes(old, new) if each[0] != "rows"),
        *(Change(_("Row %(n)s", n=n), was, now) for n, (was, now) in pairs if was != now),
    ]


STRATEGY_TABLES = Kind(
    "strategy_tables", read=strategy_tables.read_tables, apply=_apply, problems=_problems, changes=_changes
)
