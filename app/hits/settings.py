"""Settings for the assignment and escalation of hits."""

from __future__ import annotations

from app.extensions import db
from app.models import WorkSetting

DEFAULTS = {"auto_assign": False, "most_open": 50, "respond_days": 1, "overdue_days": 2}


def work_setting() -> WorkSetting:
    """Return the stored settings, or the defaults if there are none. The result must not be changed."""
    return db.session.get(WorkSetting, 1) or WorkSetting(id=1, updated_by="", **DEFAULTS)


def store(values: dict[str, object], username: str) -> None:
    """Store the settings named in ``values`` and who changed them. Does not commit."""
    row = db.session.get(WorkSetting, 1)
    if row is None:
        row = WorkSetting(id=1, **DEFAULTS)
        db.session.add(row)
    for name, value in values.items():
        setattr(row, name, value)
    row.updated_by = username
    db.session.flush()
