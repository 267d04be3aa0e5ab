"""Import of the bank's own holidays from a file, all or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.errors import N_, DomainError
from app.extensions import db
from app.leads.columns import match_columns
from app.leads.reader import open_lead_file
from app.leads.workbook import INTERACTIVE_LIMITS
from app.lib.spreadsheet import parse_date
from app.models import Holiday
from app.schedules.calendar import DayKind

HEADERS: dict[str, tuple[str, ...]] = {
    "date": ("日期", "date", "day"),
    "kind": ("类型", "kind", "type"),
    "name": ("名称", "节日", "name"),
    "source": ("来源", "依据", "source"),
}
TEMPLATE = (
    tuple(names[0] for names in HEADERS.values()),
    ("2027-01-01", "放假", "元旦", "国务院办公厅通知"),
    ("2027-01-03", "补班", "元旦", "国务院办公厅通知"),
)
_KINDS = {
    **dict.fromkeys(("holiday", "off", "放假", "休", "休息", "节假日"), DayKind.HOLIDAY),
    **dict.fromkeys(("workday", "work", "补班", "班", "上班", "调休", "工作日"), DayKind.WORKDAY),
}
FIRST_YEAR, LAST_YEAR = 2000, 2100
MAX_ROWS = 2_000
MAX_PROBLEMS = 10


class HolidayFileError(DomainError):
    """Invalid rows in a holiday file; ``problems`` says which and why. Nothing was stored."""

    def __init__(self, problems: list[DomainError]) -> None:
        self.problems = problems
        super().__init__("%(n)s rows can't be taken; nothing was stored.", n=len(problems))

    def text(self) -> str:
        """Return the number of problems and the first of them, one per line."""
        first = [each.text() for each in self.problems[:MAX_PROBLEMS]]
        more = ["…"] if len(self.problems) > MAX_PROBLEMS else []
        return "\n".join([super().text(), *first, *more])


@dataclass(frozen=True)
class Entry:
    """A row of the file."""

    date: dt.date
    kind: DayKind
    name: str
    source: str


def read_holidays(path: Path, file: str) -> list[Entry]:
    """Read and check an Excel or CSV file. Raises UnreadableFile, or HolidayFileError for invalid rows."""
    opened = open_lead_file(path, file, _find_columns, limits=INTERACTIVE_LIMITS)
    entries: list[Entry] = []
    problems: list[DomainError] = []
    seen: dict[dt.date, int] = {}
    for number, cells, fault in opened.rows:
        if number > MAX_ROWS:
            raise DomainError("%(file)s has more than %(n)s rows.", file=file, n=MAX_ROWS)
        values = {name: cells[at].strip() if at < len(cells) else "" for name, at in opened.columns.items()}
        try:
            if fault is not None:
                raise fault
            entry = _entry(values)
            if entry.date in seen:
                raise DomainError(
                    "%(date)s already appears in row %(row)s", date=entry.date, row=seen[entry.date]
                )
        except DomainError as error:
            problems.append(DomainError("Row %(row)s: %(problem)s", row=number, problem=error.text()))
        else:
            seen[entry.date] = number
            entries.append(entry)
    if problems:
        raise HolidayFileError(problems)
    return entries


def _find_columns(header: Sequence[str], file: str) -> dict[str, int]:
    columns = match_columns(header, file, HEADERS)
    missing = [HEADERS[name][0] for name in ("date", "kind", "name") if name not in columns]
    if missing:
        raise DomainError(
            N_("%(file)s: the first row has no column for %(fields)s"), file=file, fields=", ".join(missing)
        )
    return columns


def _entry(values: dict[str, str]) -> Entry:
    kind = _KINDS.get(values["kind"].lower())
    if kind is None:
        raise DomainError(
            "“%(kind)s” is neither a day off (holiday) nor a make-up working day (workday)",
            kind=values["kind"][:20],
        )
    name, source = values["name"], values.get("source", "")
    if not 0 < len(name) <= 64 or len(source) > 255:
        raise DomainError("the name must have 1 to 64 characters, and the source at most 255")
    return Entry(_date(values["date"]), kind, name, source)


def _date(text: str) -> dt.date:
    date = parse_date(text)
    if date is None or not FIRST_YEAR <= date.year <= LAST_YEAR:
        raise DomainError("“%(date)s” is not a date such as 2027-01-01", date=text[:20])
    return date


def store(entries: Sequence[Entry], username: str) -> tuple[int, int, int]:
    """Store entries, replacing those of the same dates. Return how many are new, changed and unchanged.

    Other dates are left as they are. Flushes, does not commit.
    """
    stored = {
        row.date: row
        for row in db.session.scalars(select(Holiday).where(Holiday.date.in_([e.date for e in entries])))
    }
    new = changed = 0
    for entry in entries:
        row = stored.get(entry.date)
        if row is None:
            db.session.add(Holiday(**vars(entry), updated_by=username))
            new += 1
        elif (row.kind, row.name, row.source) != (entry.kind, entry.name, entry.source):
            row.kind, row.name, row.source, row.updated_by = entry.kind, entry.name, entry.source, username
            changed += 1
    db.session.flush()
    return new, changed, len(entries) - new - changed
