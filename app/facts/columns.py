"""Values of facts in whole columns of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.facts.cells import BadValue, value_reader
from app.facts.definition import FactDef
from app.lib.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
else:
    np = lazy("numpy")
    pa = lazy("pyarrow")
    pc = lazy("pyarrow.compute")


def value_type(fact: FactDef) -> pa.DataType:
    """Return the Arrow type of the values of a fact."""
    types = {"number": pa.float64(), "money": pa.float64(), "date": pa.date32(), "flag": pa.bool_()}
    return types.get(fact.kind, pa.string())


class ColumnReader:
    """Reads the cells of a fact's column."""

    def __init__(self, fact: FactDef) -> None:
        self._fact, self._read = fact, value_reader(fact)

    def read(self, cells: pa.Array) -> tuple[pa.Array, list[int]]:
        """Return the values, null for empty cells, and the positions of cells that are none."""
        if self._fact.kind in ("number", "money") and (numbers := _plain_numbers(cells)) is not None:
            return numbers, []
        encoded = cells.dictionary_encode()
        values, wrong = [], []
        for place, cell in enumerate(encoded.dictionary.to_pylist()):
            try:
                values.append(self._read(cell) if cell and not cell.isspace() else None)
            except BadValue:
                values.append(None)
                wrong.append(place)
        column = pa.array(values, value_type(self._fact)).take(encoded.indices)
        return column, np.flatnonzero(np.isin(encoded.indices.to_numpy(), wrong)).tolist() if wrong else []

    def error(self, cell: str) -> BadValue:
        """Return why a cell is no value of the fact."""
        try:
            self._read(cell)
        except BadValue as error:
            return error
        raise ValueError("the cell is a value")


def _plain_numbers(cells: pa.Array) -> pa.Array | None:
    """Return the numbers of a column that needs no reading cell by cell, else None."""
    text = pc.utf8_trim_whitespace(cells)
    try:
        numbers = pc.cast(pc.if_else(pc.equal(text, ""), None, text), pa.float64())
    except pa.ArrowInvalid:
        return None
    return numbers if pc.all(pc.is_finite(numbers)).as_py() is not False else None
