"""The lead activity on a Spark cluster, by the expressions that DuckDB runs in the process."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import ibis
import pyarrow as pa
from ibis.expr import operations as ops

from app.activity import engine
from app.activity.engine import Statement
from app.activity.errors import ActivityError
from app.activity.finder import Among
from app.activity.rule_finder import RuleFinder
from app.activity.spec import RuleSpec

#: what results depend on, and how the cluster is used; all else is its own configuration's
_CONFIGURATION = {
    "spark.app.name": "lead-monitor",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.ui.showConsoleProgress": "false",
    # Files are named one by one; a job of the cluster that looks for them takes longer than looking.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
}
#: Spark has no unsigned numbers; it reads those of a file as the next larger type
_SIGNED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32()}
_starting = Lock()


def new_session(master: str) -> Any:
    """Return a session with tables of its own, of one application on the cluster for each process.

    Raises ActivityError when the cluster can't be reached.
    """
    # It warns of pandas 3, of which nothing is used here: rows come and go as Arrow.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    from pyspark.sql import SparkSession

    with _starting:
        try:
            _forget_stopped()
            session = SparkSession.builder.master(master).config(map=_CONFIGURATION).getOrCreate()
            return session.newSession()
        except Exception as error:
            raise ActivityError("the activity engine does not start: %(why)s", why=str(error)) from error


def _forget_stopped() -> None:
    """Let go of an application that has ended, on the cluster or with its Java, so that a new one starts."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None:
        return
    try:
        if context._jsc.sc().isStopped():
            context.stop()
    except (Py4JError, OSError):
        with suppress(Py4JError, OSError):
            context.stop()
        # PySpark would ask the Java process that is gone for ever.
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None


class OnSpark:
    """The engine on a cluster. A connection of this process does what DuckDB alone can do with its rows."""

    def __init__(self, session: Any, connection: duckdb.DuckDBPyConnection) -> None:
        self._session, self._connection = session, connection

    def view(self, name: str, schema: ibis.Schema, files: Sequence[Path]) -> None:
        """See ``Engine``."""
        if files:
            rows = self._session.read.parquet(*map(_path, files))
        else:
            columns = [field.with_type(_SIGNED.get(field.type, field.type)) for field in schema.to_pyarrow()]
            rows = self._session.createDataFrame(pa.schema(columns).empty_table())
        rows.createOrReplaceTempView(name)

    @contextmanager
    def holding(self, name: str, table: pa.Table) -> Iterator[None]:
        """See ``Engine``."""
        self._session.createDataFrame(table).createOrReplaceTempView(name)
        try:
            yield
        finally:
            self._session.catalog.dropTempView(name)

    def keep(self, name: str, rows: ibis.Table) -> None:
        """See ``Engine``. The rows are found anew for each question, as it is about few of the leads."""
        self._session.sql(_sql(rows, {})).createOrReplaceTempView(name)

    def run(self, query: ibis.Table | Statement, **values: date | int) -> pa.Table:
        """See ``Engine``."""
        statement = query if isinstance(query, Statement) else Statement(query)
        rows = statement.expression
        found = self._session.sql(_sql(rows, values)).toArrow().cast(rows.schema().to_pyarrow())
        if statement.then is None:
            return found
        engine.tell(self._connection, **values)
        self._connection.register("found", found)
        try:
            return engine.run(self._connection, statement.then(ibis.table(rows.schema(), name="found")))
        finally:
            self._connection.unregister("found")

    def finder(
        self, specs: Sequence[RuleSpec], dates: Sequence[date], among: Sequence[Among] | None = None
    ) -> RuleFinder:
        """See ``Engine``."""
        return RuleFinder(self, specs, dates, among)


def _path(file: Path) -> str:
    """Return the address of a file, whose name Spark would take for a pattern."""
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", os.fspath(file.absolute()))


def _sql(rows: ibis.Table, values: Mapping[str, date | int]) -> str:
    """Compile an expression with values for its parameters."""
    # Only naming it loads what the compiler needs.
    _ = ibis.pyspark
    told = rows.op().replace(partial(_literal, values=values)).to_expr()
    return str(ibis.to_sql(told, dialect="pyspark"))


def _literal(node: Any, changed: Mapping[str, Any] | None, values: Mapping[str, date | int]) -> Any:
    """Replace a parameter by its value, and a float by a double: Spark would read it as a decimal."""
    if changed:
        node = node.__recreate__(changed)
    if isinstance(node, ops.ScalarUDF) and node.__func_name__ == "getvariable":
        value = values[node.args[0].value]
        return ops.Literal(value, node.dtype)
    if isinstance(node, ops.Literal) and node.dtype.is_floating() and node.value is not None:
        return ops.Cast(ops.Literal(repr(float(node.value)), "string"), node.dtype)
    return node
