"""Checks of the rows of a file of facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection

from app.errors import N_
from app.facts import people
from app.facts.columns import ColumnReader
from app.facts.definition import FactDef
from app.leads.blocks import Block
from app.leads.errors import DuplicateInFile, MissingId, RowError
from app.leads.free_text import clean_text
from app.leads.identity import IdHasher, canonical_hash, canonical_id, usable_id_number
from app.lib.lazy import lazy
from app.lib.spreadsheet import parse_date

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    pc = lazy("pyarrow.compute")


class UnknownLead(RowError, reason="unknown_lead", fields=("lead_no",)):
    """A row about a person who is not on the list."""


class BadAsOf(RowError, reason="bad_as_of", fields=("as_of",)):
    """A row whose date is none or lies after the delivery."""


class FactBlocks:
    """Checks the rows of one file in order, rejecting repeated ones.

    ``columns`` are the positions of fields, those of facts named ``f<id>``. Rows without a date are about
    ``as_of``; a date after ``latest`` is refused.
    """

    def __init__(
        self,
        columns: Mapping[str, int],
        facts: Mapping[int, FactDef],
        hasher: IdHasher,
        *,
        as_of: dt.date,
        latest: dt.date,
    ) -> None:
        self._columns, self._hasher = columns, hasher
        self._as_of, self._latest = as_of, latest
        self._facts = [(f"f{fact}", ColumnReader(each)) for fact, each in facts.items()]
        self._by_id_hash: people.LeadIndex | None = None
        self._by_number: people.LeadIndex | None = None
        self._seen: dict[dt.date, Any] = {}

    def look_up(self, connection: Connection, among: ColumnElement[bool] | None = None) -> None:
        """Read the leads that the rows may be about: all, or those that meet a criterion."""
        if self._columns.keys() & {"id_number", "id_hash"}:
            self._by_id_hash = people.by_id_hash(connection, among)
        if "lead_no" in self._columns:
            self._by_number = people.by_number(connection, among)

    def check(self, block: Block) -> tuple[pa.Table, dict[int, RowError]]:
        """Return the rows to stage, and by position the others' first error (docs/facts.md)."""
        refused = dict(block.faults)
        leads = self._leads(block, refused)
        values = [self._values(block, field, reader, refused) for field, reader in self._facts]
        days, dates = self._dates(block, refused)
        self._refuse_repeated(leads, days, dates, refused)
        accepted = np.ones(len(block), bool)
        accepted[list(refused)] = False
        as_of = pa.array(dates, pa.date32()).take(pa.array(days))
        names = ["lead", "as_of", *(field for field, _reader in self._facts)]
        return pa.table([pa.array(leads), as_of, *values], names).filter(pa.array(accepted)), refused

    def _cells(self, block: Block, field: str) -> list[str]:
        """Return the cells of a field, empty ones when the file hasn't its column."""
        at = self._columns.get(field)
        if at is None:
            return [""] * len(block)
        cells: list[str] = pc.utf8_trim_whitespace(block.columns[at]).to_pylist()
        return cells

    def _leads(self, block: Block, refused: dict[int, RowError]) -> Any:
        leads = np.zeros(len(block), np.int64)
        given = (self._cells(block, field) for field in ("lead_no", "id_number", "id_hash"))
        for at, person in enumerate(zip(*given, strict=True)):
            if at not in refused:
                try:
                    leads[at] = self._lead(*person)
                except RowError as error:
                    refused[at] = error
        return leads

    def _lead(self, lead_no: str, id_number: str, id_hash: str) -> int:
        lead_no = clean_text(lead_no)
        id_number = usable_id_number(id_number, id_hash)
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

    def _values(
        self, block: Block, field: str, reader: ColumnReader, refused: dict[int, RowError]
    ) -> pa.Array:
        cells = block.columns[self._columns[field]]
        values, wrong = reader.read(cells)
        for at in wrong:
            if at not in refused:
                refused[at] = reader.error(cells[at].as_py())
                refused[at].fields = (field,)
        return values

    def _dates(self, block: Block, refused: dict[int, RowError]) -> tuple[Any, list[dt.date]]:
        """Return the place of each row's date in the second part of the answer."""
        encoded = pa.array(self._cells(block, "as_of"), pa.string()).dictionary_encode()
        days, dates = encoded.indices.to_numpy(), []
        for place, cell in enumerate(encoded.dictionary.to_pylist()):
            try:
                dates.append(self._date(cell))
            except BadAsOf as error:
                dates.append(self._as_of)
                # Each row needs an error of its own, which is given its value.
                for at in np.flatnonzero(days == place).tolist():
                    refused.setdefault(at, BadAsOf(error.code, error.message))
        return days, dates

    def _date(self, cell: str) -> dt.date:
        if not cell:
            return self._as_of
        day = parse_date(cell)
        if day is None:
            raise BadAsOf("as_of_format", N_("The date is not one such as 2027-01-31 or 2027年1月31日"))
        if day > self._latest:
            raise BadAsOf("as_of_future", N_("The date is in the future"))
        return day

    def _refuse_repeated(
        self, leads: Any, days: Any, dates: Sequence[dt.date], refused: dict[int, RowError]
    ) -> None:
        highest = int(leads.max(initial=0))
        for place in np.unique(days).tolist():
            rows = np.flatnonzero(days == place)
            seen = self._seen_on(dates[place], highest)
            for at, lead in zip(rows.tolist(), leads[rows].tolist(), strict=True):
                if at in refused:
                    continue
                if seen[lead]:
                    message = N_("An earlier row of this file is about the same person and date")
                    refused[at] = DuplicateInFile("fact_duplicate", message)
                seen[lead] = 1

    def _seen_on(self, day: dt.date, highest: int) -> bytearray:
        """Return a byte per lead, set for those with a row of the date."""
        seen: bytearray = self._seen.setdefault(day, bytearray())
        if len(seen) <= highest:
            seen.extend(bytes(highest + 1 - len(seen)))
        return seen


def _only(found: set[int | None]) -> int:
    """Return the one lead that all columns of a person name. Raises UnknownLead."""
    if len(found) > 1 and None not in found:
        raise UnknownLead("lead_differs", N_("The lead number and the ID belong to different people"))
    [*leads] = found
    if leads == [None] or len(leads) > 1 or leads[0] is None:
        raise UnknownLead("lead_unknown", N_("This person is not on the lead list"))
    return leads[0]
