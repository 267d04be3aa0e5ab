"""Whole columns of integers out of the database, as arrays: row by row, a million would take many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import BigInteger, Connection, LargeBinary, Select, cast, func, literal, select
from sqlalchemy.sql.selectable import TextualSelect

from app.lib.lazy import lazy

if TYPE_CHECKING:
    import numpy as np

    Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
else:
    np = lazy("numpy")


def integers(connection: Connection, query: Select[Any] | TextualSelect) -> list[Ints]:
    """Return the columns of a query's rows, none of which may be NULL, in the connection's transaction.

    A column may have up to a gigabyte: 134 million numbers.
    """
    rows = query.subquery()
    sent = [func.int8send(cast(column, BigInteger), type_=LargeBinary) for column in rows.c]
    found = connection.execute(select(*(func.string_agg(each, literal(b"")) for each in sent))).one()
    return [np.frombuffer(bytes(each or b""), ">i8").astype(np.int64) for each in found]
