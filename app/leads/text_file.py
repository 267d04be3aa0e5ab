"""CSV files as rows: UTF-8, UTF-16 or GB18030, any of three separators. A damaged row says so itself."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from app.errors import N_
from app.leads.columns import recognised
from app.leads.errors import MalformedRow, RowError, Undecodable, UnreadableFile
from app.leads.samples import masked_cell
from app.lib.spreadsheet import unescape

_CHUNK = 1 << 20
_LONGEST_LINE = 100_000
_SEPARATORS = ",;\t"
_NAMED_SEPARATOR = re.compile(r"sep=([,;\t|])\s*", re.IGNORECASE)
_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "gb18030": "GB18030"}
#: Ctrl-Z, with which DOS programs end a text
_DOS_END = "\x1a"
_MARK = "lead-monitor-mark"
#: what no sound text holds: NUL, and the marks that bytes which are no text become
_DAMAGE = re.compile("[\x00\udc00-\udcff]")
#: two bytes of one character in GB18030 and Big5 alike
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\xfe]", re.DOTALL)
#: the least share of a Chinese text in GB18030 that was in GB 2312 already
_COMMON = 0.65
#: fewer characters tell nothing
_ENOUGH = 4
_PRIVATE = re.compile("[\ue78d-\ue7c7\ue816-\ue864]")
# Python's codec is GB18030-2000; these bytes have meant proper characters since, in the edition of 2022 all.
_SINCE_2000 = str.maketrans(
    "\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
    "\ue816\ue817\ue818\ue81e\ue826\ue82b\ue82c\ue831\ue832\ue83b\ue843\ue854\ue855\ue864",
    "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
    "\U00020087\U00020089\U000200cc\u9fb4\u9fb5\u9fb6\u9fb7\U000215d7\u9fb8\U0002298f\u9fb9\u9fba\U000241fe\u9fbb",
)


class Row(NamedTuple):
    """A data row: its number as a spreadsheet shows it, its cells, and why it can't be used if so."""

    number: int
    cells: list[str]
    fault: RowError | None = None


def _marked(error: UnicodeError) -> tuple[str, int]:
    """Decode each byte that is no text as a mark of its own, so that the rest of the line is read."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _marked)


@dataclass(frozen=True)
class _Text:
    """How a text file is to be read.

    ``lines`` is how many it has, ``sound`` says that every byte is text, ``dos_end`` that its end is marked.
    """

    encoding: str
    lines: int
    sound: bool
    dos_end: bool


def text_rows(path: Path, file: str) -> tuple[Iterator[Row], int]:
    """The rows of a text file, empty ones left out, and how many lines it has.

    A row with bytes that are no text, or with a stray quotation mark, has a fault and swallows no other.
    Raises UnreadableFile for Big5.
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


def refuse_header(fault: RowError, file: str) -> UnreadableFile:
    """The refusal of a file whose row with the column names is damaged."""
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
    """The encoding a file is in.

    UTF-8 with a few bytes that are none may be valid GB18030 by chance, and its names would be others; in
    text that really is GB18030 hardly a character is valid UTF-8.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _scanned(path, "utf-16").text
    utf8 = _scanned(path, "utf-8-sig")
    if 2 * utf8.wrong <= utf8.beyond_ascii:
        return utf8.text
    gb18030 = _scanned(path, "gb18030")
    return gb18030.text if gb18030.wrong < utf8.wrong else utf8.text


def _is_big5(path: Path) -> bool:
    """Whether a text that could be GB18030 is Big5: all of it is, and hardly half is common in GB18030.

    Text in GB18030 has most of its characters in the part that GB 2312 had, traditional names too, and those
    are no Big5.
    """
    with path.open("rb") as stream:
        lines = stream.read(_CHUNK).rpartition(b"\n")[0]
    try:
        lines.decode("cp950")
    except UnicodeDecodeError:
        return False
    pairs = _PAIR.findall(lines)
    return len(pairs) >= _ENOUGH and sum(map(_in_gb2312, pairs)) < _COMMON * len(pairs)


def _in_gb2312(pair: bytes) -> bool:
    return 0xA1 <= pair[0] <= 0xF7 and pair[1] >= 0xA1


class _Scan(NamedTuple):
    """What decoding a whole file found: characters that are no text, and those beyond ASCII that are."""

    text: _Text
    wrong: int
    beyond_ascii: int


def _scanned(path: Path, encoding: str) -> _Scan:
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
    """What stands between cells, and whether the first line is there only to say so, like ``sep=;``.

    If it isn't, the separator is the one with which that line has the most known column names, or else the
    most cells.
    """
    with _opened(path, encoding) as stream:
        line = next((line for line in stream if line.strip()), "")
    if named := _NAMED_SEPARATOR.fullmatch(line):
        return named[1], True

    def fit(separator: str) -> tuple[int, int]:
        cells = next(csv.reader([line.strip()[:_LONGEST_LINE]], delimiter=separator), [])
        return recognised(cells), len(cells)

    return max(_SEPARATORS, key=fit), False


def _opened(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, errors=_MARK, newline="")


class _Lines:
    """The lines of a text, with those taken for the record under way, which can be given back."""

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
        """Give back all lines taken but the first."""
        self._returned.extend(reversed(self.taken[1:]))
        del self.taken[1:]


class _Records:
    """Reads one file; each line that is no row by itself, nor with those after it, is a row with a fault."""

    def __init__(self, path: Path, text: _Text, separator: str) -> None:
        self._path, self._text, self._separator = path, text, separator
        self._header: list[str] = []
        self._line = 1

    def rows(self) -> Iterator[Row]:
        """Each row that is not empty, the first of them the header."""
        with _opened(self._path, self._text.encoding) as stream:
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
            stream = map(_renewed, stream)
        # Only the last line has no line break after the mark.
        return (line.rstrip(_DOS_END) for line in stream) if self._text.dos_end else iter(stream)

    def _next(self, reader: Iterator[list[str]], lines: _Lines, number: int) -> Row | None:
        try:
            cells = next(reader)
        except StopIteration:
            return None
        except csv.Error:
            return self._malformed(lines, number)
        if len(lines.taken) > 1 and self._swallowed(lines.taken, cells):
            return self._malformed(lines, number)
        if not self._text.sound:
            damaged = next((at for at, cell in enumerate(cells) if _DAMAGE.search(cell)), None)
            if damaged is not None:
                return self._undecodable(cells, damaged, number)
        if len(lines.taken) > 1 or "'" in lines.taken[0] or "=" in lines.taken[0]:
            cells = [unescape(cell) for cell in cells]
        return Row(number, cells)

    def _swallowed(self, taken: Sequence[str], cells: Sequence[str]) -> bool:
        """Whether a cell of several lines comes from a quotation mark that nobody closed.

        It does when the record has not the width of the header, or when several of its lines would be rows.
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
            N_("Line %(line)s, column %(column)s %(title)s: “%(value)s” is no text in %(encoding)s"),
            **self._place(at, cells[at]),
            encoding=_ENCODINGS[self._text.encoding],
        )
        return Row(number, [_DAMAGE.sub("\ufffd", unescape(cell)) for cell in cells], fault)

    def _place(self, at: int, cell: str) -> dict[str, object]:
        title = masked_cell(self._header[at]) if at < len(self._header) else "?"
        value = masked_cell(_DAMAGE.sub(_as_hex, cell))
        return {"line": self._line, "column": at + 1, "title": f"({title})", "value": value}


def _broken_field(line: str, separator: str) -> tuple[int, str]:
    """Position and text of the first cell of a line that is neither plain nor well quoted."""
    sep = re.escape(separator)
    field = re.compile(rf'(?:"(?:[^"]|"")*+"|(?!")[^{sep}]*+)(?:{sep}|$)')
    line, start, at = line.rstrip("\r\n"), 0, 0
    while start < len(line) and (found := field.match(line, start)):
        start, at = found.end(), at + 1
    return at, line[start:].partition(separator)[0]


def _as_hex(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]) & 0xFF:02x}"


def _renewed(line: str) -> str:
    """A line of GB18030 with the characters that its later editions gave to bytes once for private use."""
    return line.translate(_SINCE_2000) if _PRIVATE.search(line) else line
