"""What answers questions about the lead activity: DuckDB in the process, or a Spark cluster.

Both run the same expressions and give the same rows. Everything else (ingest, the layers of the store, facts,
the days of one person) is DuckDB's whatever the engine.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import duckdb
import ibis
import pyarrow as pa

from app.activity import engine, finder
from app.activity.engine import Statement
from app.activity.finder import Among, Met
from app.activity.places import Root
from app.activity.settings import EngineSettings
from app.activity.spec import RuleSpec


class Finder(Protocol):
    """Finds the leads that meet rules as of ascending dates, slice by slice."""

    def slices(self) -> list[tuple[int, int]]:
        """Return ranges of lead ids that are small enough to be searched at once."""

    def find(self, first: int, end: int) -> list[Met]:
        """Return for each rule who of the leads first … end − 1 meets it."""


class Engine(Protocol):
    """Runs statements over tables that it knows by name, for one thread."""

    def view(self, name: str, schema: ibis.Schema, files: Sequence[Path]) -> None:
        """Name the rows of Parquet files, or no rows when there are no files."""

    def holding(self, name: str, table: pa.Table) -> AbstractContextManager[None]:
        """Name a table of this process while the context lasts."""

    def keep(self, name: str, rows: ibis.Table) -> None:
        """Name the rows of an expression, which is about to be asked often."""

    def run(self, query: ibis.Table | Statement, **values: date | int) -> pa.Table:
        """Return the rows of a query, in the types of its schema, with values for its parameters."""

    def finder(
        self, specs: Sequence[RuleSpec], dates: Sequence[date], among: Sequence[Among] | None = None
    ) -> Finder:
        """Return a finder in the view ``lead_activity``. ``among`` has an entry for each rule."""


@contextmanager
def opened(root: Root, settings: EngineSettings | None = None) -> Iterator[Engine]:
    """Yield the chosen engine for any number of queries of the store ``root``.

    Raises ActivityError when it does not start.
    """
    settings = settings or EngineSettings()
    with engine.opened(root, settings) as connection:
        if settings.name == "spark":
            from app.activity.spark import OnSpark, new_session

            yield OnSpark(new_session(settings.spark_master), connection)
        else:
            yield OnDuckDB(connection)


@dataclass(frozen=True)
class OnDuckDB:
    """The engine in this process."""

    connection: duckdb.DuckDBPyConnection

    def view(self, name: str, schema: ibis.Schema, files: Sequence[Path]) -> None:
        """See ``Engine``."""
        engine.view(self.connection, name, schema, files)

    @contextmanager
    def holding(self, name: str, table: pa.Table) -> Iterator[None]:
        """See ``Engine``."""
        self.connection.register(name, table)
        try:
            yield
        finally:
            self.connection.unregister(name)

    def keep(self, name: str, rows: ibis.Table) -> None:
        """See ``Engine``."""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {Statement(rows).sql}")

    def run(self, query: ibis.Table | Statement, **values: date | int) -> pa.Table:
        """See ``Engine``."""
        engine.tell(self.connection, **values)
        return engine.run(self.connection, query)

    def finder(
        self, specs: Sequence[RuleSpec], dates: Sequence[date], among: Sequence[Among] | None = None
    ) -> Finder:
        """See ``Engine``."""
        return finder.Finder(self.connection, specs, dates, among)
