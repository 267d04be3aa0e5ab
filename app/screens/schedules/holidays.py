"""Presentation of holidays, import of an uploaded file, and the warning about years without holidays."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from flask import current_app
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage

from app import labels
from app.console import formats
from app.console.frame import weekday
from app.extensions import db
from app.leads.reader import wrong_extension
from app.lib.clock import today
from app.lib.spreadsheet import printable_name
from app.models import Holiday
from app.schedules.calendar import Calendar
from app.schedules.holidays import read_holidays, store
from app.schedules.labels import DAY_KIND

EXTENSIONS = (".xlsx", ".xls", ".csv")


def kind(row: Holiday) -> Any:
    """Return the kind of the day (holiday or make-up working day) as a tag."""
    return formats.tag(DAY_KIND, "day")(row.kind)


def day_of_week(row: Holiday) -> str:
    """Return the weekday of the date."""
    return weekday(row.date)


def import_file(file: FileStorage, user: str) -> tuple[int, int, int]:
    """Store the dates of an uploaded file and commit. Return how many are new, changed and unchanged.

    Raises DomainError when a row can't be read.
    """
    name = printable_name(Path(file.filename or "").name)
    suffix = Path(name).suffix.lower()
    if suffix not in EXTENSIONS:
        raise wrong_extension(name)
    folder = current_app.config["SETTINGS"].data_dir / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, path = tempfile.mkstemp(suffix=suffix, dir=folder)
    try:
        with os.fdopen(handle, "wb") as target:
            file.save(target)
        counts = store(read_holidays(Path(path), name), user)
    finally:
        Path(path).unlink(missing_ok=True)
    db.session.commit()
    return counts


def warning(calendar: Calendar) -> str:
    """Return a warning when the holidays of this year or the next are not known, empty when both are."""
    unknown = [year for year in (today().year, today().year + 1) if not calendar.knows(year)]
    return unknown_years_warning(unknown)


def unknown_years_warning(years: list[int]) -> str:
    """Return a warning that the holidays of these years are not known, empty for no year."""
    if not years:
        return ""
    return _(
        "The public holidays of %(years)s are not known yet. Until they are entered here, "
        "only weekends count as days off.",
        years=labels.joined(map(str, years)),
    )
