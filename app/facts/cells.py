"""The values of facts in the cells of a file."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from app.errors import N_
from app.facts.definition import MAX_TEXT, FactDef, holds_number
from app.leads.errors import RowError
from app.leads.free_text import clean_text
from app.lib.spreadsheet import parse_date

_NUMBER = re.compile(r"[+-]?(?:(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
#: a number as most files have it, which needs no more checks
_PLAIN = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_FLAGS = {
    **dict.fromkeys(("是", "有", "true", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("否", "无", "false", "no", "n", "0", "0.0"), False),
}
#: distinct cells that are remembered; most facts have few
_REMEMBERED = 65536


class BadValue(RowError, reason="bad_value"):
    """A row with a cell that is not a value of its fact."""


def value_reader(fact: FactDef) -> Callable[[str], Any]:
    """Return a function that reads a filled cell of a fact's column. It raises BadValue."""
    parse = {
        "number": _number,
        "money": _number,
        "date": parse_date,
        "choice": _choice(fact.choices),
        "flag": _flag,
        "text": _text,
    }[fact.kind]

    def read(cell: str) -> Any:
        value = parse(cell)
        if value is None:
            raise _refusal(fact, cell)
        return value

    # Amounts hardly repeat.
    return read if fact.kind in ("number", "money") else lru_cache(maxsize=_REMEMBERED)(read)


def _refusal(fact: FactDef, cell: str) -> BadValue:
    if fact.kind == "text" and len(clean_text(cell)) > MAX_TEXT:
        return BadValue(
            "fact_too_long", N_("%(fact)s: longer than %(most)s characters"), fact=fact.name, most=MAX_TEXT
        )
    if fact.kind in ("text", "choice") and holds_number(cell):
        message = N_("%(fact)s: this looks like an ID or card number")
        return BadValue("fact_is_number", message, fact=fact.name)
    message = {
        "number": N_("%(fact)s: this is not a number"),
        "money": N_("%(fact)s: this is not an amount of money"),
        "date": N_("%(fact)s: this is not a date such as 2027-01-31"),
        "choice": N_("%(fact)s: this is none of the choices"),
        "flag": N_("%(fact)s: this is neither yes nor no"),
        "text": N_("%(fact)s: this is not a text"),
    }[fact.kind]
    return BadValue("fact_value", message, fact=fact.name)


def _number(cell: str) -> float | None:
    if _PLAIN.fullmatch(cell):
        return float(cell)
    text = unicodedata.normalize("NFKC", cell).strip().removeprefix("¥").strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text.replace(",", ""))
    return number if math.isfinite(number) else None


def _choice(choices: list[str]) -> Callable[[str], str | None]:
    known = {unicodedata.normalize("NFKC", each).casefold(): each for each in choices}
    return lambda cell: known.get(unicodedata.normalize("NFKC", cell).strip().casefold())


def _flag(cell: str) -> bool | None:
    return _FLAGS.get(unicodedata.normalize("NFKC", cell).strip().casefold())


def _text(cell: str) -> str | None:
    text = clean_text(cell)
    return text if text and len(text) <= MAX_TEXT and not holds_number(text) else None


def as_json(value: Any) -> Any:
    """Return a stored value for JSON: whole numbers without a fraction, dates as ISO text."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value.isoformat() if isinstance(value, dt.date) else value
