"""Text files as blocks of whole lines, whatever the line ending, in bounded memory."""

import hashlib
from collections.abc import Iterator

from app.activity.errors import UnreadableFile
from app.activity.formats.files import Fingerprint, open_content, read_parts

BOM = b"\xef\xbb\xbf"
# Also the limit of Python's csv module for one field, which is so never met.
MAX_LINE_BYTES = 128 << 10


def read_blocks(found: Fingerprint) -> Iterator[bytes]:
    r"""Blocks of lines that each end in \n, without a byte order mark; joined they are the file.

    A longer line than MAX_LINE_BYTES is cut and gets a NUL, which makes it a malformed line.
    Raises UnreadableFile when the content is no longer the one that was fingerprinted.
    """
    digest = hashlib.sha256()
    rest, at_start, skipping = b"", True, False
    with open_content(found.path) as stream:
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
    if digest.hexdigest() != found.digest:
        raise UnreadableFile("the file changed while it was read")


def _whole_lines(data: bytes) -> tuple[bytes, bytes]:
    r"""Split after the last line end; a final \r waits for a possible \n."""
    waiting = b"\r" if data.endswith(b"\r") else b""
    if b"\r" in data:
        data = data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:] + waiting


def _limited(lines: bytes) -> bytes:
    if len(lines) <= MAX_LINE_BYTES:
        return lines
    cut = [line if len(line) <= MAX_LINE_BYTES else _cut(line)[:-1] for line in lines.split(b"\n")]
    return b"\n".join(cut)


def _cut(line: bytes) -> bytes:
    return line[: MAX_LINE_BYTES // 2] + b"\0\n"
