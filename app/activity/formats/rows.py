"""The schema of delivered rows: six texts, or the raw line that could not be parsed."""

from collections.abc import Sequence

import pyarrow as pa

FIELDS = ("request_id", "event_time", "event_type", "institution_code", "id_hash", "result")
#: fields that identify calls, institutions and people; their text must be exactly as delivered
IDS = ("request_id", "institution_code", "id_hash")
SCHEMA = pa.schema([("line_no", pa.int64()), *((name, pa.string()) for name in FIELDS), ("raw", pa.string())])
# Rejected lines are kept for people to read, who need no more than this of one.
RAW_CHARACTERS = 2000
#: what the checks remove around a field
WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())


def parsed_rows(
    line_numbers: Sequence[int] | pa.Array, columns: Sequence[Sequence[str] | pa.Array]
) -> pa.RecordBatch:
    """Return a record batch of parsed rows: line numbers from 1, and the columns in the order of FIELDS."""
    arrays = [_array(line_numbers, pa.int64()), *(_array(column, pa.string()) for column in columns)]
    return pa.record_batch([*arrays, pa.nulls(len(arrays[0]), pa.string())], schema=SCHEMA)


def malformed_rows(lines: Sequence[tuple[int, str]]) -> pa.RecordBatch:
    """Return a record batch of lines that could not be parsed: line numbers from 1, and texts."""
    nothing = pa.nulls(len(lines), pa.string())
    numbers = _array([number for number, _ in lines], pa.int64())
    raw = _array([text[:RAW_CHARACTERS].replace("\0", "\ufffd") for _, text in lines], pa.string())
    return pa.record_batch([numbers, *[nothing] * len(FIELDS), raw], schema=SCHEMA)


def readable(line: bytes) -> str:
    """Decode a malformed line, with replacement characters for bytes that are not UTF-8."""
    return line.decode("utf-8", "replace")


def _array(values: Sequence[object] | pa.Array, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
