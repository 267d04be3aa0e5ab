"""Named timings: those that come with the product, and those that people keep for reuse."""

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

#: What a named timing does not set: what a schedule is, and what it pushes to whom.
_NOT_TIMING = {"code", "name", "rules", "channels", "start_date"}
MOST = 50
_WORK, _REST = DAYS[:5], DAYS[5:]


def _week(work: str, rest: str) -> dict[str, str]:
    return {**dict.fromkeys(_WORK, work), **dict.fromkeys(_REST, rest)}


_SILENT = "S" * 24
#: week grids by name, for painting the whole week at once
GRIDS: dict[str, tuple[Any, dict[str, str]]] = {
    "always": (lazy_gettext("All day, every day"), _week("H" * 24, "H" * 24)),
    "office": (lazy_gettext("Office hours only"), _week("S" * 9 + "HHHSS" + "HHHH" + "S" * 6, _SILENT)),
    "daytime": (lazy_gettext("Working days by day"), _week("S" * 8 + "H" * 12 + "S" * 4, _SILENT)),
    "evenings": (
        lazy_gettext("Evenings slower"),
        _week("S" * 8 + "H" * 10 + "MMLL" + "SS", "S" * 9 + "L" * 12 + "SSS"),
    ),
    "nights": (lazy_gettext("Nights silent"), _week("S" * 8 + "H" * 13 + "SSS", "S" * 8 + "H" * 13 + "SSS")),
}


def timing(definition: ScheduleDef) -> dict[str, Any]:
    """The part of a schedule that a named timing keeps, as stored."""
    return {key: value for key, value in schedule_spec(definition).items() if key not in _NOT_TIMING}


def all_shortcuts() -> list[ScheduleShortcut]:
    """The kept timings by name."""
    return list(db.session.scalars(select(ScheduleShortcut).order_by(ScheduleShortcut.name)))


def keep(name: str, definition: ScheduleDef, who: str) -> ScheduleShortcut:
    """Keep the timing of a schedule under a name of its own. Flushes; raises FieldError for the name."""
    name = name.strip()
    if not 0 < len(name) <= 32:
        raise FieldError("name", "A name of 1 to 32 characters is needed.")
    if len(all_shortcuts()) >= MOST:
        raise DomainError("There are %(n)s kept timings already; remove one first.", n=MOST)
    kept = ScheduleShortcut(name=name, timing=timing(definition), created_by=who)
    try:
        with db.session.begin_nested():
            db.session.add(kept)
    except IntegrityError:
        raise FieldError("name", "“%(name)s” is taken already.", name=name) from None
    return kept


def forget(shortcut_id: int) -> ScheduleShortcut:
    """Remove a kept timing; schedules made with it stay as they are. Flushes; raises DomainError."""
    found = db.session.get(ScheduleShortcut, shortcut_id)
    if found is None:
        raise DomainError("This timing was removed already.")
    db.session.delete(found)
    db.session.flush()
    return found
