"""Text files as blocks of complete lines with any line ending, in bounded memory."""

import hashlib
import re
from collections.abc import Iterator

from app.activity.errors import RefusedFile
from app.activity.formats.files import Fingerprint, open_content, read_parts

BOM = b"\xef\xbb\xbf"
# This is also the field limit of Python's csv module, which is therefore never exceeded.
MAX_LINE_BYTES = 128 << 10
#: blocks with longer lines than this on average can't contain many blank ones
_SHORT_LINE = 16
_BLANK_LINES = re.compile(rb"^(?:[ \t]*+\n)++", re.MULTILINE)


def read_blocks(file: Fingerprint) -> Iterator[bytes]:
    r"""Yield the file's lines in blocks, each line ending in \n, without a byte order mark.

    A line longer than MAX_LINE_BYTES is cut and gets a NUL, which makes it malformed.
    Raises RefusedFile when the content is no longer the one that was fingerprinted.
    """
    digest = hashlib.sha256()
    rest, at_start, skipping = b"", True, False
    with open_content(file.path) as stream:
        for part in read_parts(stream):
            digest.update(part)
            data = rest + part
            if at_start:
                data, at_start = data.removeprefix(BOM), False
            lines, rest = _whole_lines(data)
            if skipping and lines:
                lines, skipping = lines[lines.index(b"\n") + 1 :], False
            if len(rest) > MAX_LINE_BYTES:
                lines += b"" if skipping else _cut(rest)
                rest, skipping = rest[-1:] if rest.endswith(b"\r") else b"", True
            if lines:
                yield _limited(lines)
    if rest and not skipping:
        yield _limited(rest.rstrip(b"\r") + b"\n")
    if digest.hexdigest() != file.digest:
        raise RefusedFile("the file changed while it was read")


def skip_blank_runs(block: bytes, kept: int) -> Iterator[tuple[bytes, int, bool]]:
    """Yield the parts of a block between long runs of blank lines, with ``kept`` lines of each run.

    Each part comes with the number of blank lines left out after it, and whether it is the last part. A small
    compressed file can contain hundreds of millions of them, too many to be parsed one by one.
    """
    start = 0
    if len(block) < _SHORT_LINE * block.count(b"\n"):
        for run in _BLANK_LINES.finditer(block):
            blank = block.count(b"\n", *run.span()) - kept
            if blank > 0:
                yield block[start : run.start()] + b"\n" * kept, blank, False
                start = run.end()
    yield block[start:], 0, True


def _whole_lines(data: bytes) -> tuple[bytes, bytes]:
    r"""Split after the last line ending. A final \r is kept back for a possible \n."""
    waiting = b"\r" if data.endswith(b"\r") else b""
    if b"\r" in data:
        data = data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:] + waiting


def _limited(lines: bytes) -> bytes:
    if not _has_long_line(lines):
        return lines
    cut = [line if len(line) <= MAX_LINE_BYTES else _cut(line)[:-1] for line in lines.split(b"\n")]
    return b"\n".join(cut)


def _has_long_line(lines: bytes) -> bool:
    start = 0
    while len(lines) - start > MAX_LINE_BYTES:
        end = lines.rfind(b"\n", start, start + MAX_LINE_BYTES + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _cut(line: bytes) -> bytes:
    return line[: MAX_LINE_BYTES // 2] + b"\0\n"
