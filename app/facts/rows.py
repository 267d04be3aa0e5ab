"""Checks of the rows of a file of facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from app.errors import N_
from app.facts import people
from app.facts.cells import value_reader
from app.facts.definition import FactDef
from app.leads.errors import DuplicateInFile, MissingId, RowError
from app.leads.free_text import clean_text
from app.leads.identity import IdHasher, canonical_hash, canonical_id, usable_id_number
from app.lib.spreadsheet import parse_date

#: a staged row: the lead, the date, and a value or None for each fact
Staged = tuple[Any, ...]


class UnknownLead(RowError):
    """A row about a person who is not on the list."""

    reason = "unknown_lead"
    fields = ("lead_no",)


class BadAsOf(RowError):
    """A row whose date is none or lies after the delivery."""

    reason = "bad_as_of"
    fields = ("as_of",)


class FactRows:
    """Checks the rows of one file in order, rejecting repeated ones.

    ``columns`` are the positions of fields, those of facts named ``f<id>``. Rows without a date are about
    ``as_of``; a date after ``latest`` is refused.
    """

    def __init__(
        self,
        connection: Connection,
        columns: Mapping[str, int],
        facts: Mapping[int, FactDef],
        hasher: IdHasher,
        *,
        as_of: dt.date,
        latest: dt.date,
    ) -> None:
        self._columns, self._hasher = columns, hasher
        self._as_of, self._latest = as_of, latest
        self._readers = [
            (f"f{fact}", columns[f"f{fact}"], value_reader(each)) for fact, each in facts.items()
        ]
        has_id = columns.keys() & {"id_number", "id_hash"}
        self._by_id_hash = people.by_id_hash(connection) if has_id else None
        self._by_number = people.by_number(connection) if "lead_no" in columns else None
        self._seen: set[tuple[int, dt.date]] = set()

    def check(self, number: int, cells: Sequence[str]) -> Staged:
        """Return the row to stage. Raises the first RowError that applies, in the order of the contract."""
        lead = self._lead(cells)
        values = self._values(cells)
        as_of = self._date(self._cell(cells, "as_of"))
        if (lead, as_of) in self._seen:
            message = N_("An earlier row of this file is about the same person and date")
            raise DuplicateInFile("fact_duplicate", message)
        self._seen.add((lead, as_of))
        return (lead, as_of, *values)

    def _cell(self, cells: Sequence[str], field: str) -> str:
        at = self._columns.get(field, len(cells))
        return cells[at].strip() if at < len(cells) else ""

    def _lead(self, cells: Sequence[str]) -> int:
        id_hash, lead_no = self._cell(cells, "id_hash"), clean_text(self._cell(cells, "lead_no"))
        id_number = usable_id_number(self._cell(cells, "id_number"), id_hash)
        if not (id_hash or id_number or lead_no):
            raise MissingId("person_missing", N_("There is no lead number, ID number or its hash"))
        found = set[int | None]()
        if id_number and self._by_id_hash:
            found.add(self._by_id_hash.find(people.id_key(self._hasher.hash(canonical_id(id_number)))))
        if id_hash and self._by_id_hash:
            found.add(self._by_id_hash.find(people.id_key(canonical_hash(id_hash))))
        if lead_no and self._by_number:
            found.add(self._by_number.find(people.number_key(lead_no)))
        return _only(found)

    def _values(self, cells: Sequence[str]) -> list[Any]:
        width, values = len(cells), []
        for field, at, read in self._readers:
            cell = cells[at] if at < width else ""
            try:
                values.append(read(cell) if cell and not cell.isspace() else None)
            except RowError as error:
                error.fields = (field,)
                raise
        return values

    def _date(self, cell: str) -> dt.date:
        if not cell:
            return self._as_of
        day = parse_date(cell)
        if day is None:
            raise BadAsOf("as_of_format", N_("The date is not one such as 2027-01-31 or 2027年1月31日"))
        if day > self._latest:
            raise BadAsOf("as_of_future", N_("The date is in the future"))
        return day


def _only(found: set[int | None]) -> int:
    """Return the one lead that all columns of a person name. Raises UnknownLead."""
    if len(found) > 1 and None not in found:
        raise UnknownLead("lead_differs", N_("The lead number and the ID belong to different people"))
    [*leads] = found
    if leads == [None] or len(leads) > 1 or leads[0] is None:
        raise UnknownLead("lead_unknown", N_("This person is not on the lead list"))
    return leads[0]
