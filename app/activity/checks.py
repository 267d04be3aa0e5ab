"""The checks of delivered rows: the engine checks them into the table `checked` of a scratch database."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from app.activity import event_types
from app.activity.errors import RefusedFile
from app.activity.formats.files import Fingerprint, split_ending
from app.activity.formats.parquet_rows import ROW_NUMBER, engine_columns
from app.activity.formats.read import read_rows, require_unchanged
from app.activity.formats.rows import SCHEMA, WHITE_SPACE
from app.lib.spreadsheet import printable_name

log = logging.getLogger(__name__)
_SQL = {file.stem: file.read_text("utf-8") for file in (Path(__file__).parent / "sql").glob("*.sql")}


def prepare(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Create the tables, macros and variables that the checks need."""
    connection.execute(_SQL["tables"])
    clear(connection)
    numbers = {name: entry.number for name, entry in event_types.REGISTRY.items()}
    connection.executemany("INSERT INTO known_types VALUES (?, ?)", list(numbers.items()))
    connection.execute(
        "SET VARIABLE known_types = (SELECT map_from_entries(list((name, number))) FROM known_types)"
    )
    connection.execute("SET VARIABLE white_space = $white_space", {"white_space": WHITE_SPACE})
    connection.execute(_SQL["bounds"], {"now": now})
    connection.execute(_SQL["utc_offset"])


def clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget all checked rows; deleting them would leave their memory in use."""
    connection.execute(_SQL["checked"])


def load(connection: duckdb.DuckDBPyConnection, file_no: int, file: Fingerprint) -> None:
    """Check all rows of a file into the scratch database, or none. Raises RefusedFile."""
    fields = engine_columns(file.path)
    if fields is None or not _load_by_engine(connection, file_no, file, fields):
        _load_by_reader(connection, file_no, file)


def _load_by_engine(
    connection: duckdb.DuckDBPyConnection, file_no: int, file: Fingerprint, fields: Sequence[str]
) -> bool:
    """Let the engine read the fields of a Parquet file, by several threads. Return whether it could.

    Bytes that are no text or a damaged file are for the reader to judge.
    """
    columns = (f"{ROW_NUMBER} + 1 AS line_no", *fields, "CAST(NULL AS VARCHAR) AS raw")
    connection.execute("BEGIN")
    try:
        delivered = connection.read_parquet(str(file.path), file_row_number=True, hive_partitioning=False)
        delivered.project(", ".join(columns)).create_view("delivered")
        connection.execute(_SQL["check"], {"file_no": file_no})
        require_unchanged(file)
        connection.execute("DROP VIEW delivered; COMMIT")
    except (duckdb.Error, RefusedFile):
        connection.execute("ROLLBACK")
        return False
    return True


class _Rows:
    """The rows that the readers yield of a file; why it was refused, and the number of the last line."""

    def __init__(self, file: Fingerprint) -> None:
        self.file = file
        self.refused: RefusedFile | None = None
        self.last_line = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield record batches. Raises RefusedFile, and whatever a reader fails with."""
        try:
            for batch in _ahead(read_rows(self.file)):
                self.last_line = max([self.last_line, *batch.column("line_no")[-1:].to_pylist()])
                yield batch
        except RefusedFile as error:
            self.refused = error
            raise
        except MemoryError:
            raise
        except Exception as error:
            log.exception("unexpected while reading %s", printable_name(self.file.path))
            self.refused = RefusedFile("it cannot be read: %(why)s", why=type(error).__name__)
            raise


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches; the next one is read while the engine checks the one before."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = reader.submit(next, batches, None)
            yield batch


def _load_by_reader(connection: duckdb.DuckDBPyConnection, file_no: int, file: Fingerprint) -> None:
    """Check the rows that the readers yield."""
    rows = _Rows(file)
    connection.register("delivered", pa.RecordBatchReader.from_batches(SCHEMA, iter(rows)))
    connection.execute("BEGIN")
    try:
        connection.execute(_SQL["check"], {"file_no": file_no})
        if file.open_end and split_ending(file.path)[0] != "parquet":
            _require_complete_end(connection, file_no, rows.last_line)
        connection.execute("COMMIT")
    except (duckdb.Error, RefusedFile) as error:
        connection.execute("ROLLBACK")
        if rows.refused:
            raise rows.refused from None
        if isinstance(error, duckdb.DataError):
            raise RefusedFile("it cannot be read: %(why)s", why=str(error)) from error
        raise
    finally:
        connection.unregister("delivered")


def _require_complete_end(connection: duckdb.DuckDBPyConnection, file_no: int, last_line: int) -> None:
    """Refuse a file whose last line has no line ending and fails a check, because it is truncated."""
    if connection.execute(
        "SELECT 1 FROM checked WHERE file_no = ? AND rejected[1].line_no = ?", [file_no, last_line]
    ).fetchone():
        raise RefusedFile(
            "it is truncated: its last line, %(line)s, is incomplete and has no line ending", line=last_line
        )
