"""Do-not-disturb files: a phone or an ID number a row, with reason and last day; all of it or nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from app.leads.columns import HEADERS, match_columns
from app.leads.errors import N_, RowError, UnreadableFile
from app.leads.masking import mask_ids
from app.leads.reader import open_lead_file
from app.leads.rows import clean_text
from app.leads.suppression import Target, hash_target, person_target, phone_target, refresh
from config import Settings

MAX_ROWS = 200_000
_EXAMPLES = 5
_HEADERS: dict[str, tuple[str, ...]] = {
    "phone": HEADERS["phone"],
    "id_number": HEADERS["id_number"],
    "id_hash": HEADERS["id_hash"],
    "reason": ("原因", "免打扰原因", "reason"),
    "expires_on": ("有效期至", "到期日", "截止日期", "expires_on", "expires", "until"),
}
TEMPLATE = tuple(_HEADERS[name][0] for name in ("phone", "id_number", "reason", "expires_on"))

_STAGE = text("""
    CREATE TEMP TABLE suppression_staging
        (phone_index text, id_hash text, shown text NOT NULL, reason text NOT NULL, expires_on date)
    ON COMMIT DROP
""")
_COPY = "COPY suppression_staging (phone_index, id_hash, shown, reason, expires_on) FROM STDIN"
_INSERT = text("""
    INSERT INTO suppression (phone_index, id_hash, shown, reason, expires_on, created_by)
    SELECT s.phone_index, s.id_hash, s.shown, s.reason, s.expires_on, :who FROM suppression_staging s
    WHERE NOT EXISTS (
        SELECT FROM suppression e
        WHERE (e.phone_index = s.phone_index OR e.id_hash = s.id_hash) AND e.removed_at IS NULL
          AND (e.expires_on IS NULL OR (e.expires_on >= :today AND e.expires_on >= s.expires_on))
    )
""")


class MissingTarget(RowError):
    """A row with neither phone nor ID number."""

    reason = "missing_target"


class BadExpiry(RowError):
    """A last day that is no date, or past."""

    reason = "bad_expiry"


class RepeatedTarget(RowError):
    """A phone or person of an earlier row."""

    reason = "duplicate_in_file"


@dataclass
class SuppressionImport:
    """What became of the rows; ``examples`` are some row numbers of each reason. ``leads`` changed state."""

    read: int = 0
    added: int = 0
    existing: int = 0
    leads: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)

    def refuse(self, number: int, error: RowError) -> None:
        """Count a refused row."""
        self.rejected[error.reason] += 1
        shown = self.examples.setdefault(error.reason, [])
        if len(shown) < _EXAMPLES:
            shown.append(number)


def import_suppressions(
    engine: Engine,
    path: Path,
    *,
    file_name: str,
    reason: str,
    who: str,
    today: dt.date,
    settings: Settings,
) -> SuppressionImport:
    """Put the phones and people of a file on the list; ``reason`` is for rows that give none.

    An entry that lasts at least as long is left alone and counted as existing. Raises UnreadableFile for a
    file that can't be read or has more than MAX_ROWS rows; then nothing has changed.
    """
    file = mask_ids(file_name)
    opened = open_lead_file(path, file, _find_columns)
    result = SuppressionImport()
    check = _RowChecker(opened.columns, reason, today, settings)
    with engine.begin() as connection:
        staged = _stage(connection, _accepted(opened.rows, check, result, file))
        result.added = connection.execute(_INSERT, {"who": who, "today": today}).rowcount
        result.existing = staged - result.added
        result.leads = refresh(connection, today)
    return result


def _find_columns(header: Sequence[str], file: str) -> dict[str, int]:
    columns = match_columns(header, file, _HEADERS)
    if not columns.keys() & {"phone", "id_number", "id_hash"}:
        raise UnreadableFile(
            "file_columns_missing",
            N_("%(file)s: the first row has no column for %(fields)s"),
            file=file,
            fields=" / ".join([HEADERS["phone"][0], HEADERS["id_number"][0]]),
        )
    return columns


def _accepted(
    rows: Iterator[tuple[int, list[str]]], check: _RowChecker, result: SuppressionImport, file: str
) -> Iterator[tuple[Any, ...]]:
    for number, cells in rows:
        result.read += 1
        if result.read > MAX_ROWS:
            raise UnreadableFile(
                "file_too_long", N_("%(file)s has more than %(most)s rows"), file=file, most=MAX_ROWS
            )
        try:
            yield from check(cells)
        except RowError as error:
            result.refuse(number, error)


def _stage(connection: Connection, rows: Iterator[tuple[Any, ...]]) -> int:
    connection.execute(_STAGE)
    raw: Any = connection.connection.driver_connection
    count = 0
    with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    connection.exec_driver_sql("ANALYZE suppression_staging")
    return count


class _RowChecker:
    """Turns rows into entries, one for the phone and one for the person; remembers whom it has seen."""

    def __init__(self, columns: dict[str, int], reason: str, today: dt.date, settings: Settings) -> None:
        self._columns, self._reason, self._today, self._settings = columns, reason, today, settings
        self._seen: set[str] = set()

    def __call__(self, cells: Sequence[str]) -> list[tuple[Any, ...]]:
        """The entries of a row. Raises RowError."""
        given = {name: clean_text(cells[at]) if at < len(cells) else "" for name, at in self._columns.items()}
        targets = self._targets(given)
        expires_on = self._expiry(given.get("expires_on", ""))
        fresh = [each for each in targets if (each.phone_index or each.id_hash) not in self._seen]
        if not fresh:
            raise RepeatedTarget("duplicate", N_("The same person is in an earlier row of this file"))
        self._seen.update(str(each.phone_index or each.id_hash) for each in fresh)
        reason = mask_ids(given.get("reason", ""))[:255] or self._reason
        return [(each.phone_index, each.id_hash, each.shown, reason, expires_on) for each in fresh]

    def _targets(self, given: dict[str, str]) -> list[Target]:
        found = []
        if given.get("phone"):
            found.append(phone_target(given["phone"], self._settings))
        if given.get("id_number"):
            found.append(person_target(given["id_number"], self._settings))
        elif given.get("id_hash"):
            found.append(hash_target(given["id_hash"]))
        if not found:
            raise MissingTarget("target_missing", N_("There is neither a phone nor an ID number"))
        return found

    def _expiry(self, text_: str) -> dt.date | None:
        if not text_:
            return None
        try:
            day = dt.date.fromisoformat(text_[:10].replace("/", "-").replace(".", "-"))
        except ValueError:
            raise BadExpiry("expiry_format", N_("The last day is not a date like 2027-01-31")) from None
        if day < self._today:
            raise BadExpiry("expiry_past", N_("The last day is past"))
        return day
