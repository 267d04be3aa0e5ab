"""Reading of workbooks in a separate process with limits, so that a hostile file can kill only that."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from app.errors import N_
from app.leads.errors import UnreadableFile
from config import Settings

Percent = Callable[[int], None]
"""Called with the progress of the inspection in percent. May raise to cancel."""

_CHILD = Path(__file__).with_name("workbook-child")
#: the length of the child's longest message
_MAX_LINE = 16 << 20
_PIPE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of reading a workbook: memory, seconds (of work, and without a message), cells of one sheet."""

    memory_mb: int = 2048
    seconds: int = 300
    cells: int = 50_000_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits for a worker or a command."""
        return cls(settings.workbook_memory_mb, settings.workbook_seconds)


DEFAULT_LIMITS = Limits()
#: limits while a user waits for an answer
INTERACTIVE_LIMITS = Limits(memory_mb=384, seconds=15, cells=500_000)
#: codes of refusals that larger limits may avoid
LIMIT_CODES = ("file_far_cell", "file_memory", "file_time")

_REFUSALS = {
    "file_corrupt": N_("%(file)s is damaged or not an Excel file"),
    "file_password": N_("%(file)s is protected with a password; save it without one"),
    "file_empty": N_("%(file)s is empty"),
    "file_sheets": N_("%(file)s has several sheets with data; keep only one"),
    "file_too_big": N_("%(file)s unpacks to far more than a lead list"),
    "file_far_cell": N_(
        "%(file)s: the sheet is used as far as cell %(cell)s. Delete the rows and columns beyond the list,"
        " also those that look empty, and save it again"
    ),
    "file_save_as": N_(
        "%(file)s is %(kind)s, which is not read here: open it in Excel or WPS and save it as"
        " “Excel Workbook (.xlsx)”"
    ),
    "file_long_row": N_("%(file)s: row %(row)s holds more text than a row of a list can have"),
    "file_memory": N_(
        "%(file)s needs more memory than a workbook may have (%(memory)s MB);"
        " save the list as “CSV UTF-8” and import that"
    ),
    "file_time": N_(
        "%(file)s takes longer to read than a workbook may (%(seconds)s s);"
        " save the list as “CSV UTF-8” and import that"
    ),
}


def refusal(code: str, file: str, **values: Any) -> UnreadableFile:
    """Return the refusal of a workbook."""
    return UnreadableFile(code, _REFUSALS[code], file=file, **values)


@dataclass(frozen=True)
class Sheet:
    """The only sheet with data: the approximate number of its rows, its oddities and its rows.

    ``oddities`` are some of ``merged_header``, ``merged_rows``, ``formulas`` (without a stored result),
    ``hidden_columns``, ``hidden_rows`` and ``hidden_sheets``.
    """

    total: int
    oddities: list[str]
    rows: Iterator[tuple[int, list[str]]]


def read_workbook(
    path: Path,
    file: str,
    limits: Limits,
    *,
    inspected: bool = False,
    progress: Percent = lambda done: None,
) -> Sheet:
    """Open a workbook; ``inspected`` says that it was inspected before.

    Raises UnreadableFile, also while rows are read.
    """
    messages = _messages(path, file, limits, inspected)
    for kind, *rest in messages:
        if kind == "progress":
            progress(rest[0])
        elif kind == "sheet":
            return Sheet(rest[0], rest[1], _rows(messages))
    raise refusal("file_corrupt", file)


def _rows(messages: Iterator[list[Any]]) -> Iterator[tuple[int, list[str]]]:
    for _kind, batch in messages:
        yield from batch


def _messages(path: Path, file: str, limits: Limits, inspected: bool) -> Iterator[list[Any]]:
    """Yield the child's messages before its last one. Raises UnreadableFile when it refuses or dies."""
    with path.open("rb") as stream, _child(stream, limits, inspected) as child:
        try:
            for line in _lines(child, file, limits):
                message = orjson.loads(line)
                if message[0] == "end":
                    return
                if message[0] == "refused":
                    raise _refusal_with_limits(message[1], file, limits, message[2])
                yield message
            raise _refusal_with_limits(_cause_of_death(child.wait()), file, limits, {})
        finally:
            child.kill()


def _child(stream: BinaryIO, limits: Limits, inspected: bool) -> subprocess.Popen[bytes]:
    """Start the child process without our environment, because it needs no secrets."""
    arguments = (limits.memory_mb, limits.seconds, limits.cells, int(inspected))
    return subprocess.Popen(  # noqa: S603 - our own script, numbers only
        [sys.executable, "-I", str(_CHILD), *map(str, arguments)],
        stdin=stream,
        stdout=subprocess.PIPE,
        pipesize=_PIPE,
        stderr=subprocess.DEVNULL,
        env={},
    )


def _lines(child: subprocess.Popen[bytes], file: str, limits: Limits) -> Iterator[bytes]:
    """Yield complete lines as they come. Raises UnreadableFile when none comes in time."""
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    descriptor, rest = child.stdout.fileno(), b""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while True:
        if not waiting.poll(limits.seconds * 1000):
            raise _refusal_with_limits("file_time", file, limits, {})
        piece = os.read(descriptor, _PIPE)
        if not piece:
            return
        if len(rest) > _MAX_LINE:
            raise refusal("file_too_big", file)
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def _refusal_with_limits(code: str, file: str, limits: Limits, values: dict[str, Any]) -> UnreadableFile:
    return refusal(code, file, memory=limits.memory_mb, seconds=limits.seconds, **values)


def _cause_of_death(status: int) -> str:
    """Return the code for a dead child.

    It is killed when short of memory; its own errors mean a damaged file.
    """
    if status == -signal.SIGXCPU:
        return "file_time"
    return "file_memory" if status < 0 else "file_corrupt"
