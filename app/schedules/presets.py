"""Week grids that come with the product, and timings that people save for reuse."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.errors import DomainError, FieldError
from app.extensions import db
from app.models import ScheduleShortcut
from app.schedules.definition import DAYS, ScheduleDef
from app.schedules.versions import schedule_spec

#: keys of a schedule that are not part of its timing
_NOT_TIMING = {"code", "name", "rules", "channels", "start_date"}
MOST = 50
_WORK, _REST = DAYS[:5], DAYS[5:]


def _week(work: str, rest: str) -> dict[str, str]:
    return {**dict.fromkeys(_WORK, work), **dict.fromkeys(_REST, rest)}


_SILENT = "S" * 24
#: week grids by name, for setting the whole week at once
GRIDS: dict[str, tuple[Any, dict[str, str]]] = {
    "always": (lazy_gettext("All day, every day"), _week("H" * 24, "H" * 24)),
    "office": (lazy_gettext("Office hours only"), _week("S" * 9 + "HHHSS" + "HHHH" + "S" * 6, _SILENT)),
    "daytime": (lazy_gettext("Daytime on working days"), _week("S" * 8 + "H" * 12 + "S" * 4, _SILENT)),
    "evenings": (
        lazy_gettext("Fewer pushes in the evening"),
        _week("S" * 8 + "H" * 10 + "MMLL" + "SS", "S" * 9 + "L" * 12 + "SSS"),
    ),
    "nights": (
        lazy_gettext("Silent at night"),
        _week("S" * 8 + "H" * 13 + "SSS", "S" * 8 + "H" * 13 + "SSS"),
    ),
}


def timing(definition: ScheduleDef) -> dict[str, Any]:
    """Return the timing of a schedule in its stored form."""
    return {key: value for key, value in schedule_spec(definition).items() if key not in _NOT_TIMING}


def all_shortcuts() -> list[ScheduleShortcut]:
    """Return the saved timings, sorted by name."""
    return list(db.session.scalars(select(ScheduleShortcut).order_by(ScheduleShortcut.name)))


def keep(name: str, definition: ScheduleDef, username: str) -> ScheduleShortcut:
    """Save the timing of a schedule under a unique name. Flushes. Raises FieldError for the name."""
    name = name.strip()
    if not 0 < len(name) <= 32:
        raise FieldError("name", "The name must have 1 to 32 characters.")
    if len(all_shortcuts()) >= MOST:
        raise DomainError("There are already %(n)s saved timings; delete one first.", n=MOST)
    shortcut = ScheduleShortcut(name=name, timing=timing(definition), created_by=username)
    try:
        with db.session.begin_nested():
            db.session.add(shortcut)
    except IntegrityError:
        raise FieldError("name", "“%(name)s” is taken already.", name=name) from None
    return shortcut


def forget(shortcut_id: int) -> ScheduleShortcut:
    """Delete a saved timing; schedules based on it stay as they are. Flushes. Raises DomainError."""
    shortcut = db.session.get(ScheduleShortcut, shortcut_id)
    if shortcut is None:
        raise DomainError("This timing has already been deleted.")
    db.session.delete(shortcut)
    db.session.flush()
    return shortcut
