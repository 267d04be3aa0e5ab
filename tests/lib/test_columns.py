"""Columns of integers come out of the database as they are in it, also when there are none."""

from __future__ import annotations

from sqlalchemy import BigInteger, Engine, column, text

from app.lib.columns import integers

ROWS = "SELECT n, -n * (1::bigint << 40) AS far FROM generate_series(1, {}) n WHERE n > :least"


def test_columns_come_side_by_side(engine: Engine) -> None:
    with engine.connect() as connection:
        for rows, found in ((4, [2, 3, 4]), (1, [])):
            query = text(ROWS.format(rows)).columns(column("n", BigInteger), column("far", BigInteger))
            columns = integers(connection, query.bindparams(least=1))
            assert [each.tolist() for each in columns] == [found, [-n << 40 for n in found]]
            assert {each.dtype.str for each in columns} == {"<i8"}
