"""Import of do-not-disturb files: each row has a phone or ID number, a reason and a last day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from app.errors import N_
from app.leads.columns import HEADERS
from app.leads.errors import RowError
from app.leads.free_text import clean_text, is_not_a_value, unusable_characters
from app.leads.identity import usable_id_number
from app.leads.reasons import mask_numbers
from app.leads.remarks import CUT, LOST, Note
from app.leads.samples import masked_cell
from app.leads.staging import MergeResult
from app.leads.suppression import Target, hash_target, person_target, phone_target, refresh
from app.lib.spreadsheet import parse_date
from config import Settings

SUPPRESSION_HEADERS: dict[str, tuple[str, ...]] = {
    "phone": HEADERS["phone"],
    "id_number": HEADERS["id_number"],
    "id_hash": HEADERS["id_hash"],
    "reason": ("原因", "免打扰原因", "reason"),
    "expires_on": ("有效期至", "到期日", "截止日期", "expires_on", "expires", "until"),
}
TEMPLATE = tuple(SUPPRESSION_HEADERS[name][0] for name in ("phone", "id_number", "reason", "expires_on"))

_MAX_REASON = 255
#: cells that mean that an entry has no last day
_NO_END = frozenset(
    (
        *(
            "",
            "长期",
            "长期有效",
            "永久",
            "永久有效",
            "永久免打扰",
            "永远",
            "终身",
            "终生",
            "无",
            "无期限",
            "无限期",
        ),
        *(
            "不限",
            "不限期",
            "forever",
            "permanent",
            "permanently",
            "never",
            "none",
            "-",
            "--",
            "—",
            "——",
            "/",
        ),
    )
)

_STAGE = text("""
    CREATE TEMP TABLE suppression_staging
        (phone_index text, id_hash text, shown text NOT NULL, reason text NOT NULL, expires_on date)
    ON COMMIT DROP
""")
_COPY = "COPY suppression_staging (phone_index, id_hash, shown, reason, expires_on) FROM STDIN"
# One statement for each kind of target: joined by OR, it would compare every row with every entry.
_DROP_KNOWN = [
    text(f"""
        DELETE FROM suppression_staging s USING suppression e
        WHERE e.{target} = s.{target} AND e.removed_at IS NULL
          AND (e.expires_on IS NULL OR (e.expires_on >= :today AND e.expires_on >= s.expires_on))
    """)  # noqa: S608
    for target in ("phone_index", "id_hash")
]
_COUNT = text("SELECT count(*) FROM suppression_staging")
_INSERT = text("""
    INSERT INTO suppression (phone_index, id_hash, shown, reason, expires_on, created_by)
    SELECT phone_index, id_hash, shown, reason, expires_on, :user FROM suppression_staging
""")


class MissingTarget(RowError, reason="missing_target", fields=("phone", "id_number")):
    """A row with neither a phone nor an ID number."""


class BadExpiry(RowError, reason="bad_expiry", fields=("expires_on",)):
    """A row whose last day is not a date or is in the past."""


class RepeatedTarget(RowError, reason="duplicate_in_file", fields=("phone", "id_number", "id_hash")):
    """A row that repeats the phone or person of an earlier one."""


class SuppressionIntake:
    """Intake of a do-not-disturb file.

    ``reason`` is for rows without one, and ``user`` is recorded as the creator of the entries. A row with an
    entry that lasts at least as long counts as existing. ``updated`` is the number of leads whose mark
    changed.
    """

    kind = "suppressions"
    headers = SUPPRESSION_HEADERS

    def __init__(self, settings: Settings, *, reason: str, user: str, today: dt.date) -> None:
        self._settings, self._reason, self._user, self._today = settings, reason, user, today

    def checker(
        self, connection: Connection, columns: dict[str, int], note: Note
    ) -> Callable[[int, Sequence[str]], Iterable[tuple[Any, ...]]]:
        """Return a function that checks phone, identity and last day of a row."""
        return _RowChecker(columns, self._reason, self._today, self._settings, note)

    def stage(self, connection: Connection, rows: Iterable[tuple[Any, ...]], adds_to: int | None) -> None:
        """Copy the entries into a temporary table."""
        connection.execute(_STAGE)
        raw: Any = connection.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
        connection.exec_driver_sql("ANALYZE suppression_staging")

    def merge(self, connection: Connection, batch: int, *, update: bool) -> MergeResult:
        """Add the entries that are new and mark the leads they name."""
        self._drop_known(connection)
        added = int(connection.scalar(_COUNT) or 0)
        connection.execute(_INSERT, {"user": self._user})
        return MergeResult(added, refresh(connection, self._today), self._known)

    def preview(self, connection: Connection, *, update: bool) -> MergeResult:
        """Return the number of entries that would be added."""
        self._drop_known(connection)
        return MergeResult(int(connection.scalar(_COUNT) or 0), 0, self._known)

    def _drop_known(self, connection: Connection) -> None:
        dropped = [connection.execute(each, {"today": self._today}).rowcount for each in _DROP_KNOWN]
        self._known = sum(dropped)


class _RowChecker:
    """Turns a row into entries for its phone and its person, rejecting repeated ones."""

    def __init__(
        self, columns: dict[str, int], reason: str, today: dt.date, settings: Settings, note: Note
    ) -> None:
        self._columns, self._reason, self._today, self._settings = columns, reason, today, settings
        self._note = note
        self._seen: set[str] = set()

    def __call__(self, number: int, cells: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return the entries of a row. Raises RowError."""
        given = {name: clean_text(cells[at]) if at < len(cells) else "" for name, at in self._columns.items()}
        targets = self._targets(given)
        expires_on = self._expiry(given.get("expires_on", ""))
        new = [each for each in targets if (each.phone_index or each.id_hash) not in self._seen]
        if not new:
            raise RepeatedTarget("duplicate", N_("The same person is in an earlier row of this file"))
        self._seen.update(str(each.phone_index or each.id_hash) for each in new)
        reason = self._reason_in(number, given.get("reason", ""), cells)
        return [(each.phone_index, each.id_hash, each.shown, reason, expires_on) for each in new]

    def _reason_in(self, number: int, given: str, cells: Sequence[str]) -> str:
        if not given:
            return self._reason
        if lost := unusable_characters(cells[self._columns["reason"]]):
            self._note(number, "reason", LOST, lost=", ".join(lost))
        reason = mask_numbers(given)
        if len(reason) > _MAX_REASON:
            self._note(number, "reason", CUT, value=masked_cell(reason), most=_MAX_REASON)
        return reason[:_MAX_REASON]

    def _targets(self, given: dict[str, str]) -> list[Target]:
        targets = []
        phone, id_hash = given.get("phone", ""), given.get("id_hash", "")
        id_number = usable_id_number(given.get("id_number", ""), id_hash)
        if phone and not is_not_a_value(phone):
            targets.append(phone_target(phone, self._settings))
        if id_number and not is_not_a_value(id_number):
            targets.append(person_target(id_number, self._settings))
        elif id_hash:
            targets.append(hash_target(id_hash))
        if not targets:
            raise MissingTarget("target_missing", N_("There is neither a phone nor an ID number"))
        return targets

    def _expiry(self, given: str) -> dt.date | None:
        if given.casefold() in _NO_END:
            return None
        day = parse_date(given)
        if day is None:
            raise BadExpiry(
                "expiry_format", N_("The last day is not a date such as 2027-01-31 or 2027年1月31日")
            )
        if day < self._today:
            raise BadExpiry("expiry_past", N_("The last day is in the past"))
        return day
