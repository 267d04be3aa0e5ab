"""The one shape of a row as it was delivered: six texts, or the raw line that could not be parsed."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

FIELDS = ("request_id", "event_time", "event_type", "institution_code", "id_hash", "result")
#: fields that tell calls, institutions and people apart: text exactly as delivered, or refused
IDS = ("request_id", "institution_code", "id_hash")
SCHEMA = pa.schema([("line_no", pa.int64()), *((name, pa.string()) for name in FIELDS), ("raw", pa.string())])
# A rejected line is kept for a person to look at; nobody reads more than this of it.
RAW_CHARACTERS = 2000


def batch(
    line_numbers: Sequence[int] | pa.Array, columns: Sequence[Sequence[str] | pa.Array]
) -> pa.RecordBatch:
    """Rows that were parsed: 1-based line numbers and the six fields' columns in the order of FIELDS.

    White space around a field is no part of it.
    """
    texts = (pc.utf8_trim_whitespace(_array(column, pa.string())) for column in columns)
    arrays = [_array(line_numbers, pa.int64()), *texts]
    return pa.record_batch([*arrays, pa.nulls(len(arrays[0]), pa.string())], schema=SCHEMA)


def malformed(lines: Sequence[tuple[int, str]]) -> pa.RecordBatch:
    """Lines that could not be parsed: 1-based line numbers and texts."""
    nothing = pa.nulls(len(lines), pa.string())
    numbers = _array([number for number, _ in lines], pa.int64())
    raw = _array([text[:RAW_CHARACTERS].replace("\0", "\ufffd") for _, text in lines], pa.string())
    return pa.record_batch([numbers, *[nothing] * len(FIELDS), raw], schema=SCHEMA)


def readable(line: bytes) -> str:
    """A broken line as text that can be shown: bytes that are not UTF-8 become replacement characters."""
    return line.decode("utf-8", "replace")


def _array(values: Sequence[object] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
