"""DuckDB in the process: Ibis compiles expressions, DuckDB runs them.

Expressions are compiled with `ibis.to_sql` and run on our own connection, because the DuckDB backend of Ibis
12 calls functions that DuckDB 2 no longer has.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
from ibis.backends.sql.datatypes import DuckDBType

from app.activity import store
from app.activity.errors import ActivityError
from app.activity.places import Root
from app.activity.settings import EngineSettings


@dataclass(frozen=True, eq=False)
class Statement:
    """An expression that is compiled once, as Ibis takes a tenth of a second to compile a rule.

    ``then`` makes the result from its rows by functions that DuckDB alone has.
    """

    expression: ibis.Table
    then: Callable[[ibis.Table], ibis.Table] | None = None

    @cached_property
    def sql(self) -> str:
        """The result in SQL."""
        return str(ibis.to_sql(self._result, dialect="duckdb"))

    @cached_property
    def schema(self) -> pa.Schema:
        """The types of the result."""
        return self._result.schema().to_pyarrow()

    @property
    def _result(self) -> ibis.Table:
        return self.then(self.expression) if self.then else self.expression


def parameter(name: str, kind: type) -> ibis.Scalar:
    """Return an expression for a value that `tell` gives later: one compiled statement serves all values."""

    def getvariable(variable: str) -> None:
        raise NotImplementedError

    getvariable.__annotations__ = {"variable": str, "return": kind}
    return ibis.udf.scalar.builtin(getvariable)(name)


def tell(connection: duckdb.DuckDBPyConnection, **values: date | int) -> None:
    """Give parameters their values for the connection's next statements, which fold them like literals."""
    for name, value in values.items():
        literal = f"DATE '{value.isoformat()}'" if isinstance(value, date) else str(int(value))
        connection.execute(f"SET VARIABLE {name} = {literal}")


def connect(settings: EngineSettings, spill: Path, *, timezone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """Open a connection whose tables are in memory, and spill to the folder `spill`.

    Raises ActivityError for a bad memory limit.
    """
    options: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": settings.memory_limit,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    if settings.threads:
        options["threads"] = settings.threads
    try:
        connection = duckdb.connect(config=options)
        # DuckDB takes a process without a script, such as a forked worker, for a person at a prompt.
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = $zone", {"zone": timezone})
        # A file never changes, and the statements of a connection read mostly the same ones.
        connection.execute("SET parquet_metadata_cache = true")
        return connection
    except duckdb.Error as error:
        raise ActivityError("the activity engine does not start: %(why)s", why=str(error)) from error


@contextmanager
def opened(root: Root, settings: EngineSettings | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection for any number of queries of the store `root`, which spills to a scratch folder."""
    with (
        store.workspace(root) as scratch,
        connect(settings or EngineSettings(), scratch / "spill") as connection,
    ):
        yield connection


def view(
    connection: duckdb.DuckDBPyConnection, name: str, schema: ibis.Schema, files: Sequence[Path]
) -> None:
    """Create the view `name` of the Parquet `files`, or an empty one of the schema when there are none."""
    connection.execute(f"DROP VIEW IF EXISTS {name}")
    if not files:
        columns = (
            f"CAST(NULL AS {DuckDBType.to_string(kind)}) AS {column}" for column, kind in schema.items()
        )
        connection.execute(f"CREATE VIEW {name} AS SELECT {', '.join(columns)} WHERE false")
        return
    relation = connection.read_parquet([str(file) for file in files], hive_partitioning=False)
    relation.create_view(name)


def run(connection: duckdb.DuckDBPyConnection, query: ibis.Table | Statement) -> pa.Table:
    """Run a query over the connection's views and tables. Return its rows in the types of its schema.

    The cast is necessary because DuckDB's sums are wider than the 64-bit integers that Ibis declares.
    """
    statement = _statement(query)
    return connection.sql(statement.sql).to_arrow_table().cast(statement.schema)


def _statement(query: ibis.Table | Statement) -> Statement:
    return query if isinstance(query, Statement) else Statement(query)


def write(
    connection: duckdb.DuckDBPyConnection,
    query: ibis.Table | Statement,
    file: Path,
    *,
    rows_per_group: int | None = None,
) -> None:
    """Run a query and write its rows, in its order, to a Parquet file."""
    write_relation(connection.sql(_statement(query).sql), file, rows_per_group=rows_per_group)


def write_relation(
    relation: duckdb.DuckDBPyRelation, file: Path, *, rows_per_group: int | None = None
) -> None:
    """Write a relation's rows, in its order, to a Parquet file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    relation.write_parquet(str(file), compression="zstd", row_group_size=rows_per_group)
