"""Reads a workbook in a separate process, the only code that parses .xlsx and .xls files.

``app.leads.workbook`` runs this directory with ``python -I``. It is not a package of the product and imports
nothing of it, so that it starts fast. The file is its standard input. It writes one JSON array per line to
standard output: ``["progress", percent]``, ``["sheet", rows, [oddity, …]]``, ``["rows", [[number, [cell, …]],
…]]``, and finally ``["end"]`` or ``["refused", code, {values}]``. Its limits may kill it at any moment, which
its parent reports.
"""

from __future__ import annotations

import resource
import sys
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree import ElementTree
from xml.parsers import expat

import orjson
import python_calamine as calamine
from contents import contents, repaired, rewind
from inspection import inspect_archive
from old_format import errors, hidden, shown_sheets
from refusal import Refused

_ZIP = b"PK\x03\x04"
_DAMAGE = (
    *(calamine.CalamineError, zipfile.BadZipFile, zlib.error, expat.ExpatError, ElementTree.ParseError),
    *(EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, OSError),
)


def main(memory_mb: int, seconds: int, cells: int, inspected: bool) -> None:
    """Read the workbook on standard input within the limits and write its messages."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    for each in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(each, (0, 0))
    with open(0, "rb", closefd=False) as file:
        try:
            for message in _messages(file, cells, inspected):
                _send(message)
            _send(["end"])
        except Refused as error:
            _send(["refused", error.code, error.values])
        except MemoryError:
            _send(["refused", "file_memory", {}])


def _send(message: list[Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def _messages(file: BinaryIO, cells: int, inspected: bool) -> Iterator[list[Any]]:
    try:
        oddities: set[str] = set()
        zipped = file.read(4) == _ZIP
        if zipped and not inspected:
            yield from inspect_archive(file, cells, oddities)
        shown = [] if zipped else shown_sheets(file)
        oddities |= hidden(shown)
        yield from contents(repaired(file) if zipped else rewind(file), oddities, errors(shown))
    except calamine.PasswordError:
        raise Refused("file_password") from None
    except _DAMAGE:
        raise Refused("file_corrupt") from None


if __name__ == "__main__":
    _memory, _seconds, _cells, _inspected = map(int, sys.argv[1:])
    main(_memory, _seconds, _cells, bool(_inspected))
