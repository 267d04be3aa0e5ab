"""When the weekly report goes out, and to whom."""

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
#: who may open a report may get it by e-mail
NEEDED = ("can_show", "WeeklyReportView")


def report_setting() -> ReportSetting:
    """What is set, or the defaults while nobody has set anything; not to be changed."""
    return db.session.get(ReportSetting, 1) or ReportSetting(id=1, updated_by="", **DEFAULTS)


def store(values: dict[str, Any], people: list[int], who: str, now: dt.datetime) -> None:
    """Set when the report goes out, and the receivers. Does not commit.

    What fell due before a change of the times is not sent after it. Raises FieldError for a person who
    can't receive the report.
    """
    kept = db.session.get(ReportSetting, 1, with_for_update=True)
    if kept is None:
        kept = ReportSetting(id=1, **DEFAULTS)
        db.session.add(kept)
    if any(getattr(kept, name) != value for name, value in values.items()) or kept.since is None:
        kept.since = now
    for name, value in values.items():
        setattr(kept, name, value)
    kept.updated_by = who
    _set_receivers(set(people), who)
    db.session.flush()


def _set_receivers(wanted: set[int], who: str) -> None:
    before = set(db.session.scalars(select(ReportReceiver.person_id)))
    offered = {person.id for person in candidates()}
    if not wanted - before <= offered:
        raise FieldError("receivers", "This person can't receive the report.")
    if before - wanted:
        db.session.execute(delete(ReportReceiver).where(ReportReceiver.person_id.in_(before - wanted)))
    db.session.add_all(ReportReceiver(person_id=person, added_by=who) for person in sorted(wanted - before))


def chosen() -> list[Staff]:
    """Everybody who was made a receiver, by name, whether or not they can receive it now."""
    query = select(Staff).join(ReportReceiver, ReportReceiver.person_id == Staff.id).options(*_loaded())
    return _by_name(db.session.scalars(query))


def candidates() -> list[Staff]:
    """Everybody who can receive the report, by name."""
    query = select(Staff).where(Staff.active.is_(True)).options(*_loaded())
    return _by_name(person for person in db.session.scalars(query) if obstacle(person) is None)


def obstacle(person: Staff) -> LazyString | None:
    """Why somebody can't receive the report, None when they can."""
    if not is_address(person.email or ""):
        return lazy_gettext("has no e-mail address")
    return scope_obstacle(person)


def scope_obstacle(person: Staff) -> LazyString | None:
    """Why there is no report for what somebody sees, None when there can be."""
    if not holds(person, *NEEDED):
        return lazy_gettext("may not see the weekly report")
    if not sees_whole_bank(person) and person.branch_id is None:
        return lazy_gettext("has no branch and sees no lead")
    return None


def branch_seen(person: Staff) -> int | None:
    """The branch whose figures a person gets, with those below it; None is the whole bank.

    Only for people without a ``scope_obstacle``.
    """
    return None if sees_whole_bank(person) else person.branch_id


def may_see(person: Staff, report: WeeklyReport) -> bool:
    """Whether a report is about nothing but what the person sees."""
    query = select(WeeklyReport.id).where(WeeklyReport.id == report.id, visible_to(person, WeeklyReport))
    return db.session.scalar(query) is not None


def _loaded() -> tuple[Any, ...]:
    # The roles of a log-in are known once all models are.
    return selectinload(Staff.roles), selectinload(Staff.branch)


def _by_name(people: Any) -> list[Staff]:
    return sorted(people, key=lambda person: (person.get_full_name(), person.username))
