"""Read a workbook in a process of its own: the only code that parses .xlsx and .xls files.

Run by ``app.leads.workbook`` as ``python -I`` of this directory, which is no package of the product and
imports nothing of it, so that it starts at once.
The file is standard input; standard output gets one JSON array a line: ``["progress", percent]``,
``["sheet", rows, [oddity, …]]``, ``["rows", [[number, [cell, …]], …]]``, and at the end ``["end"]`` or
``["refused", code, {values}]``. It may die at any moment of its limits; its parent says so.
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
from contents import contents, mended, rewound
from look_over import look_over
from old_format import errors, hidden, shown_sheets
from refusal import Refused

_ZIP = b"PK\x03\x04"
_DAMAGE = (
    *(calamine.CalamineError, zipfile.BadZipFile, zlib.error, expat.ExpatError, ElementTree.ParseError),
    *(EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, OSError),
)


def main(memory_mb: int, seconds: int, cells: int, looked_over: bool) -> None:
    """Read standard input within the limits and write what it holds."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    for each in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(each, (0, 0))
    with open(0, "rb", closefd=False) as file:
        try:
            for message in _messages(file, cells, looked_over):
                _send(message)
            _send(["end"])
        except Refused as error:
            _send(["refused", error.code, error.values])
        except MemoryError:
            _send(["refused", "file_memory", {}])


def _send(message: list[Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def _messages(file: BinaryIO, cells: int, looked_over: bool) -> Iterator[list[Any]]:
    try:
        found: set[str] = set()
        zipped = file.read(4) == _ZIP
        if zipped and not looked_over:
            yield from look_over(file, cells, found)
        shown = [] if zipped else shown_sheets(file)
        found |= hidden(shown)
        yield from contents(mended(file) if zipped else rewound(file), found, errors(shown))
    except calamine.PasswordError:
        raise Refused("file_password") from None
    except _DAMAGE:
        raise Refused("file_corrupt") from None


if __name__ == "__main__":
    _memory, _seconds, _cells, _looked_over = map(int, sys.argv[1:])
    main(_memory, _seconds, _cells, bool(_looked_over))
