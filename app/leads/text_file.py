"""Reading of CSV files in UTF-8, UTF-16 or GB18030, with any of three separators and with damaged rows."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from app.errors import N_
from app.leads.columns import count_recognised
from app.leads.errors import MalformedRow, RowError, Undecodable, UnreadableFile
from app.leads.samples import masked_cell
from app.lib.lazy import lazy
from app.lib.spreadsheet import unescape

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv as csv_reader
else:
    pa = lazy("pyarrow")
    csv_reader = lazy("pyarrow.csv")

_CHUNK = 1 << 20
_LONGEST_LINE = 100_000
_SEPARATORS = ",;\t"
_NAMED_SEPARATOR = re.compile(r"sep=([,;\t|])\s*", re.IGNORECASE)
_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "gb18030": "GB18030"}
#: Ctrl-Z, with which DOS programs end a text
_DOS_END = "\x1a"
#: what makes a cell differ from the text between two separators
_NOT_PLAIN = (b'"', b"'", b"=")
_BLOCK = 8 << 20
_MARK = "lead-monitor-mark"
#: NUL and the marks of undecodable bytes, which no valid text contains
_DAMAGE = re.compile("[\x00\udc00-\udcff]")
#: a two-byte character of both GB18030 and Big5
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\xfe]", re.DOTALL)
#: the least share of GB 2312 characters in a Chinese text in GB18030
_COMMON = 0.65
#: the least number of characters to decide by
_MIN_PAIRS = 4
_PRIVATE = re.compile("[\ue78d-\ue7c7\ue816-\ue864]")
# Python's codec implements GB18030-2000. Later editions, up to that of 2022, gave these codes real
# characters.
_SINCE_2000 = str.maketrans(
    "\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
    "\ue816\ue817\ue818\ue81e\ue826\ue82b\ue82c\ue831\ue832\ue83b\ue843\ue854\ue855\ue864",
    "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
    "\U00020087\U00020089\U000200cc\u9fb4\u9fb5\u9fb6\u9fb7\U000215d7\u9fb8\U0002298f\u9fb9\u9fba\U000241fe\u9fbb",
)


class Row(NamedTuple):
    """A data row: its number as in a spreadsheet, its cells, and a fault that makes it unusable."""

    number: int
    cells: list[str]
    fault: RowError | None = None


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Replace each undecodable byte by a mark, so that the rest of the line can be read."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _mark_undecodable)


@dataclass(frozen=True)
class _Text:
    """How to read a text file.

    ``lines`` is the number of its lines, ``sound`` tells that all of it can be decoded, and ``dos_end`` that
    it ends with a DOS end-of-file mark.
    """

    encoding: str
    lines: int
    sound: bool
    dos_end: bool


def text_rows(path: Path, file: str) -> tuple[Iterator[Row], int]:
    """Return the non-empty rows of a text file, and its number of lines.

    A row with undecodable bytes or a stray quotation mark has a fault and doesn't affect other rows. Raises
    UnreadableFile for Big5.
    """
    text = _examine(path)
    if text.encoding == "gb18030" and _is_big5(path):
        raise UnreadableFile(
            "file_encoding",
            N_(
                "%(file)s is encoded in Big5 (traditional Chinese);"
                " save it as “CSV UTF-8” and import that file"
            ),
            file=file,
        )
    separator, named = _separator(path, text.encoding)
    rows = _Records(path, text, separator).rows()
    if named:
        next(rows)
    return rows, text.lines


def plain_separator(path: Path) -> str | None:
    """Return the separator of a file in UTF-8 whose lines are its rows and hold their cells as they are.

    None for a file with a quotation mark, or with anything else that reading row by row takes care of.
    """
    text = _examine(path)
    if text.encoding != "utf-8-sig" or not text.sound or text.dos_end:
        return None
    with path.open("rb") as stream:
        for chunk in iter(partial(stream.read, _CHUNK), b""):
            if any(mark in chunk for mark in _NOT_PLAIN) or chunk.count(b"\r") != chunk.count(b"\r\n"):
                return None
    separator, named = _separator(path, text.encoding)
    return None if named else separator


def plain_tables(path: Path, separator: str, width: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows below the header of a file with a ``plain_separator``, as columns of text.

    Raises pyarrow.ArrowInvalid at the block with a row that hasn't ``width`` cells.
    """
    names = [str(at) for at in range(width)]
    with csv_reader.open_csv(
        path,
        csv_reader.ReadOptions(block_size=_BLOCK, column_names=names, skip_rows=1),
        csv_reader.ParseOptions(delimiter=separator, quote_char=False, ignore_empty_lines=False),
        csv_reader.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    ) as reader:
        yield from reader


def header_error(fault: RowError, file: str) -> UnreadableFile:
    """Return the refusal of a file whose header row is damaged."""
    if isinstance(fault, MalformedRow):
        return UnreadableFile(
            "file_quotes",
            N_("%(file)s: the quotation marks of row %(row)s do not match"),
            file=file,
            row=fault.values["line"],
        )
    return UnreadableFile(
        "file_encoding",
        N_("%(file)s: the column names (line %(line)s, column %(column)s) are no text in %(encoding)s"),
        file=file,
        **{name: fault.values[name] for name in ("line", "column", "encoding")},
    )


def _examine(path: Path) -> _Text:
    """Determine the encoding of a file.

    UTF-8 with a few invalid bytes may happen to be valid GB18030, with other names in it. In real GB18030
    text hardly any character is valid UTF-8.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _scan(path, "utf-16").text
    utf8 = _scan(path, "utf-8-sig")
    if 2 * utf8.wrong <= utf8.beyond_ascii:
        return utf8.text
    gb18030 = _scan(path, "gb18030")
    return gb18030.text if gb18030.wrong < utf8.wrong else utf8.text


def _is_big5(path: Path) -> bool:
    """Return whether a text that could be GB18030 is Big5: it is valid Big5, and little of it is GB 2312.

    Most characters of GB18030 text, including traditional names, belong to GB 2312.
    """
    with path.open("rb") as stream:
        lines = stream.read(_CHUNK).rpartition(b"\n")[0]
    try:
        lines.decode("cp950")
    except UnicodeDecodeError:
        return False
    pairs = _PAIR.findall(lines)
    return len(pairs) >= _MIN_PAIRS and sum(map(_in_gb2312, pairs)) < _COMMON * len(pairs)


def _in_gb2312(pair: bytes) -> bool:
    return 0xA1 <= pair[0] <= 0xF7 and pair[1] >= 0xA1


class _Scan(NamedTuple):
    """The result of decoding a whole file: the numbers of undecodable and of valid non-ASCII characters."""

    text: _Text
    wrong: int
    beyond_ascii: int


def _scan(path: Path, encoding: str) -> _Scan:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    lines = wrong = nul = beyond = 0
    last = end = "\n"
    with path.open("rb") as stream:
        for chunk in chain(iter(partial(stream.read, _CHUNK), b""), [b""]):
            part = decoder.decode(chunk, final=not chunk)
            lines += part.count("\n")
            wrong += part.count("\ufffd")
            nul += part.count("\0")
            beyond += 0 if part.isascii() else len(part) - len(part.encode("ascii", "ignore"))
            end = part[-1:] or end
            last = part.rstrip(_DOS_END)[-1:] or last
    text = _Text(encoding, lines + (last != "\n"), not wrong and not nul, end == _DOS_END)
    return _Scan(text, wrong, beyond - wrong)


def _separator(path: Path, encoding: str) -> tuple[str, bool]:
    """Return the separator, and whether the first line only declares it, as in ``sep=;``.

    An undeclared separator is the one that gives the first line the most known column names, or else the most
    cells.
    """
    with _open_text(path, encoding) as stream:
        line = next((line for line in stream if line.strip()), "")
    if named := _NAMED_SEPARATOR.fullmatch(line):
        return named[1], True

    def fit(separator: str) -> tuple[int, int]:
        cells = next(csv.reader([line.strip()[:_LONGEST_LINE]], delimiter=separator), [])
        return count_recognised(cells), len(cells)

    return max(_SEPARATORS, key=fit), False


def _open_text(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, errors=_MARK, newline="")


class _Lines:
    """The lines of a text, with the lines taken for the current record, which can be returned."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._returned: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.pop() if self._returned else next(self._stream)
        self.taken.append(line)
        return line

    def keep_first(self) -> None:
        """Return all lines taken except the first."""
        self._returned.extend(reversed(self.taken[1:]))
        del self.taken[1:]


class _Records:
    """Reads one file.

    A line that isn't a row, alone or with the lines after it, becomes a row with a fault.
    """

    def __init__(self, path: Path, text: _Text, separator: str) -> None:
        self._path, self._text, self._separator = path, text, separator
        self._header: list[str] = []
        self._line = 1

    def rows(self) -> Iterator[Row]:
        """Yield the non-empty rows, the header first."""
        with _open_text(self._path, self._text.encoding) as stream:
            lines = _Lines(self._lines(stream))
            reader = csv.reader(lines, delimiter=self._separator, strict=True)
            number = 0
            while (row := self._next(reader, lines, number + 1)) is not None:
                number += 1
                self._line += len(lines.taken)
                lines.taken.clear()
                if row.fault or any(map(str.strip, row.cells)):
                    self._header = self._header or row.cells
                    yield row

    def _lines(self, stream: Iterator[str]) -> Iterator[str]:
        if self._text.encoding == "gb18030":
            stream = map(_update_private_use, stream)
        # Only in the last line the mark has no line break after it.
        return (line.rstrip(_DOS_END) for line in stream) if self._text.dos_end else iter(stream)

    def _next(self, reader: Iterator[list[str]], lines: _Lines, number: int) -> Row | None:
        try:
            cells = next(reader)
        except StopIteration:
            return None
        except csv.Error:
            return self._malformed(lines, number)
        if len(lines.taken) > 1 and self._has_stray_quote(lines.taken, cells):
            return self._malformed(lines, number)
        if not self._text.sound:
            damaged = next((at for at, cell in enumerate(cells) if _DAMAGE.search(cell)), None)
            if damaged is not None:
                return self._undecodable(cells, damaged, number)
        if len(lines.taken) > 1 or "'" in lines.taken[0] or "=" in lines.taken[0]:
            cells = [unescape(cell) for cell in cells]
        return Row(number, cells)

    def _has_stray_quote(self, taken: Sequence[str], cells: Sequence[str]) -> bool:
        """Return whether a cell of several lines comes from a quotation mark that is never closed.

        That is so when the record's width differs from the header's, or when several of its lines would be
        rows.
        """
        width = len(self._header)
        if not width:
            return False
        rows = sum(line.count(self._separator) == width - 1 for line in taken)
        return len(cells) != width or (width > 1 and rows > 1)

    def _malformed(self, lines: _Lines, number: int) -> Row:
        lines.keep_first()
        line = lines.taken[0][:_LONGEST_LINE]
        cells = next(csv.reader([line], delimiter=self._separator), [])
        at, value = _broken_field(line, self._separator)
        fault = MalformedRow(
            "malformed_row",
            N_("Line %(line)s, column %(column)s %(title)s: the quotation marks of “%(value)s” do not match"),
            **self._place(at, value),
        )
        return Row(number, [_DAMAGE.sub("\ufffd", unescape(cell)) for cell in cells], fault)

    def _undecodable(self, cells: Sequence[str], at: int, number: int) -> Row:
        fault = Undecodable(
            "undecodable",
            N_("Line %(line)s, column %(column)s %(title)s: “%(value)s” is not valid %(encoding)s text"),
            **self._place(at, cells[at]),
            encoding=_ENCODINGS[self._text.encoding],
        )
        return Row(number, [_DAMAGE.sub("\ufffd", unescape(cell)) for cell in cells], fault)

    def _place(self, at: int, cell: str) -> dict[str, object]:
        title = masked_cell(self._header[at]) if at < len(self._header) else "?"
        value = masked_cell(_DAMAGE.sub(_as_hex, cell))
        return {"line": self._line, "column": at + 1, "title": f"({title})", "value": value}


def _broken_field(line: str, separator: str) -> tuple[int, str]:
    """Return the position and text of the first cell of a line with faulty quotation marks."""
    sep = re.escape(separator)
    field = re.compile(rf'(?:"(?:[^"]|"")*+"|(?!")[^{sep}]*+)(?:{sep}|$)')
    line, start, at = line.rstrip("\r\n"), 0, 0
    while start < len(line) and (match := field.match(line, start)):
        start, at = match.end(), at + 1
    return at, line[start:].partition(separator)[0]


def _as_hex(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]) & 0xFF:02x}"


def _update_private_use(line: str) -> str:
    """Replace private-use characters of GB18030-2000 by those that later editions assigned to their codes."""
    return line.translate(_SINCE_2000) if _PRIVATE.search(line) else line
