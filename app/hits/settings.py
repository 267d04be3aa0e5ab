"""How hits are handed out and watched."""

from __future__ import annotations

from app.extensions import db
from app.models import WorkSetting

DEFAULTS = {"auto_assign": False, "most_open": 50, "respond_days": 1, "overdue_days": 2}


def work_setting() -> WorkSetting:
    """What is set, or the defaults while nobody has set anything; not to be changed."""
    return db.session.get(WorkSetting, 1) or WorkSetting(id=1, updated_by="", **DEFAULTS)


def store(values: dict[str, object], who: str) -> None:
    """Set what ``values`` name, on record as the person's. Does not commit."""
    kept = db.session.get(WorkSetting, 1)
    if kept is None:
        kept = WorkSetting(id=1, **DEFAULTS)
        db.session.add(kept)
    for name, value in values.items():
        setattr(kept, name, value)
    kept.updated_by = who
    db.session.flush()
