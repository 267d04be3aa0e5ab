"""Settings of the weekly report: when it is sent, and who receives it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import LazyString, lazy_gettext
from sqlalchemy import delete, select
from sqlalchemy.orm import selectinload

from app.access.rights import holds
from app.access.scope import sees_whole_bank, visible_to
from app.errors import FieldError
from app.extensions import db
from app.lib.mailer import is_address
from app.models import ReportReceiver, ReportSetting, Staff, WeeklyReport

DEFAULTS: dict[str, Any] = {"active": False, "weekday": 1, "at": dt.time(8, 30)}
#: the permission to open a report is also needed to receive it by e-mail
NEEDED = ("can_show", "WeeklyReportView")


def report_setting() -> ReportSetting:
    """Return the stored setting, or the defaults in a row that must not be changed."""
    return db.session.get(ReportSetting, 1) or ReportSetting(id=1, updated_by="", **DEFAULTS)


def save(values: dict[str, Any], receiver_ids: list[int], user: str, now: dt.datetime) -> None:
    """Set when the report is sent, and its receivers. Does not commit.

    Reports that were due before a change of the times are not sent after it. Raises FieldError for a person
    who can't receive the report.
    """
    setting = db.session.get(ReportSetting, 1, with_for_update=True)
    if setting is None:
        setting = ReportSetting(id=1, **DEFAULTS)
        db.session.add(setting)
    if any(getattr(setting, name) != value for name, value in values.items()) or setting.since is None:
        setting.since = now
    for name, value in values.items():
        setattr(setting, name, value)
    setting.updated_by = user
    _set_receivers(set(receiver_ids), user)
    db.session.flush()


def _set_receivers(ids: set[int], user: str) -> None:
    before = set(db.session.scalars(select(ReportReceiver.person_id)))
    allowed = {person.id for person in possible_receivers()}
    if not ids - before <= allowed:
        raise FieldError("receivers", "This person can't receive the report.")
    if before - ids:
        db.session.execute(delete(ReportReceiver).where(ReportReceiver.person_id.in_(before - ids)))
    db.session.add_all(ReportReceiver(person_id=person, added_by=user) for person in sorted(ids - before))


def receivers() -> list[Staff]:
    """Return the receivers by name, including those who can't receive the report now."""
    query = select(Staff).join(ReportReceiver, ReportReceiver.person_id == Staff.id).options(*_loaded())
    return _by_name(db.session.scalars(query))


def possible_receivers() -> list[Staff]:
    """Return the staff who can receive the report, by name."""
    query = select(Staff).where(Staff.active.is_(True)).options(*_loaded())
    return _by_name(person for person in db.session.scalars(query) if obstacle(person) is None)


def obstacle(person: Staff) -> LazyString | None:
    """Return the reason why a person can't receive the report, or None."""
    if not is_address(person.email or ""):
        return lazy_gettext("has no e-mail address")
    return scope_obstacle(person)


def scope_obstacle(user: Staff) -> LazyString | None:
    """Return the reason why there is no report in a user's row scope, or None."""
    if not holds(user, *NEEDED):
        return lazy_gettext("may not see the weekly report")
    if not sees_whole_bank(user) and user.branch_id is None:
        return lazy_gettext("has no branch and so sees no leads")
    return None


def branch_in_scope(user: Staff) -> int | None:
    """Return the branch that a user's report covers with those below it; None for the whole bank.

    Only for users without a ``scope_obstacle``.
    """
    return None if sees_whole_bank(user) else user.branch_id


def can_see(user: Staff, report: WeeklyReport) -> bool:
    """Return whether a report covers nothing outside the user's row scope."""
    query = select(WeeklyReport.id).where(WeeklyReport.id == report.id, visible_to(user, WeeklyReport))
    return db.session.scalar(query) is not None


def _loaded() -> tuple[Any, ...]:
    # A function, because Staff.roles exists only once all models are configured.
    return selectinload(Staff.roles), selectinload(Staff.branch)


def _by_name(people: Any) -> list[Staff]:
    return sorted(people, key=lambda person: (person.get_full_name(), person.username))
