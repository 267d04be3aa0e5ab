"""Outcomes delivered by another system, up to 1,000 at a time, each answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

from app.errors import N_
from app.leads.errors import RowError
from app.outcomes import staging
from app.outcomes.importer import row_checker
from app.outcomes.rows import HEADERS, StagedOutcome
from config import Settings

MAX_ITEMS = 1000
_FIELDS = {name: at for at, name in enumerate(HEADERS)}
_RESULTS = text("SELECT row, result FROM outcome_told")


class MalformedItem(RowError, reason="malformed_item"):
    """An item that is no object of texts and numbers, or has a key that no outcome has."""


def deliver(
    engine: Engine, items: list[Any], settings: Settings, today: dt.date, branches: Sequence[int] | None
) -> list[dict[str, Any]]:
    """Store outcomes as an import of a file does, in one transaction. Return an answer for each in order.

    ``status`` is created, corrected, existing, unmatched or rejected; a rejected one has a ``reason`` and an
    ``error``. The answers don't tell whether a customer is held out. With ``branches`` only leads of these
    count.
    """
    answers = [_answer(item) for item in items]
    with engine.begin() as connection:
        staging.stage(connection, _accepted(connection, items, answers, settings, today))
        staging.match(connection, branches)
        for row, result in connection.execute(_RESULTS):
            answers[row]["status"] = result
        staging.store(connection, None)
    return answers


def _answer(item: Any) -> dict[str, Any]:
    outcome_id = item.get("outcome_id") if isinstance(item, dict) else None
    return {"outcome_id": outcome_id if isinstance(outcome_id, str) else None, "status": "rejected"}


def _accepted(
    connection: Connection,
    items: list[Any],
    answers: list[dict[str, Any]],
    settings: Settings,
    today: dt.date,
) -> list[StagedOutcome]:
    rows, checker = [], row_checker(connection, _FIELDS, settings, today)
    for place, item in enumerate(items):
        try:
            rows.append(checker.check(place, _cells(item)))
        except RowError as error:
            answers[place] |= {"reason": error.reason, "error": error.explain()}
    return rows


def _cells(item: Any) -> list[str]:
    """Return an item as the cells of a row. Raises MalformedItem."""
    if not isinstance(item, dict) or not item.keys() <= _FIELDS.keys():
        message = N_("An outcome is an object with the keys %(keys)s")
        raise MalformedItem("item_keys", message, keys=", ".join(_FIELDS))
    cells = [item.get(name) for name in _FIELDS]
    if any(isinstance(cell, bool | dict | list) for cell in cells):
        raise MalformedItem("item_values", N_("The values of an outcome are texts and numbers"))
    return ["" if cell is None else str(cell).replace("\x00", "") for cell in cells]
