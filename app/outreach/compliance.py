"""Who may be contacted now, and why not: one function for the check before a batch, sending, and "why".

Every rule is a criterion over ``Hit`` joined to ``Lead``, so that any number of candidates is one query.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from flask_babel import lazy_gettext
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import aliased

from app.access.scope import leads_visible_to, supervises
from app.leads import suppression
from app.models import Hit, HitStatus, Lead, Outreach, OutreachStatus, Staff, Suppression
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar, DayKind

#: reason → what people read; in the order in which one is named when several hold
REASONS: dict[str, Any] = {
    "deleted": lazy_gettext("Lead deleted"),
    "scope": lazy_gettext("Outside the sender's branches"),
    "opted_out": lazy_gettext("On the do-not-disturb list"),
    "holdout": lazy_gettext("In the rule's holdout group"),
    "converted": lazy_gettext("Converted already"),
    "hit_status": lazy_gettext("Hit status not contacted"),
    "lead_status": lazy_gettext("Lead status not contacted"),
    "grade": lazy_gettext("Grade not contacted"),
    "owner": lazy_gettext("Somebody else works on it"),
    "phone": lazy_gettext("Phone number invalid for the channel"),
    "cap_channel": lazy_gettext("Frequency cap of the channel reached"),
    "cap_total": lazy_gettext("Frequency cap of all channels reached"),
    "twice": lazy_gettext("The same person by another hit or batch"),
    "hours": lazy_gettext("Outside contact hours"),
    "cancelled": lazy_gettext("Batch cancelled"),
    "sender": lazy_gettext("The sender may not contact customers any more"),
    "gateway": lazy_gettext("Refused by the gateway"),
    "unseen": lazy_gettext("The gateway never received it"),
}
#: reason that could hold back and does not → what people read
PASSED: dict[str, Any] = {
    "deleted": lazy_gettext("Lead still on the list"),
    "scope": lazy_gettext("Inside the sender's branches"),
    "opted_out": lazy_gettext("Not on the do-not-disturb list"),
    "holdout": lazy_gettext("Not in the rule's holdout group"),
    "converted": lazy_gettext("Not converted yet"),
    "hit_status": lazy_gettext("Hit status is contacted"),
    "lead_status": lazy_gettext("Lead status is contacted"),
    "grade": lazy_gettext("Grade is contacted"),
    "owner": lazy_gettext("Nobody else works on it"),
    "phone": lazy_gettext("Phone number good for the channel"),
    "cap_channel": lazy_gettext("Frequency cap of the channel not reached"),
    "cap_total": lazy_gettext("Frequency cap of all channels not reached"),
    "hours": lazy_gettext("Inside contact hours"),
}
#: reasons for which a candidate is no candidate any more; the others hold one back
DROPPED = frozenset({"deleted", "scope", "cancelled", "sender"})
_MOBILE = r"^1[3-9][0-9]\*{4}[0-9]{4}$"


@dataclass(frozen=True)
class Terms:
    """Under which a contact is judged: what is sent by whom, and the moment.

    ``since``: a person contacted after it counts as contacted by the same effort, whatever the caps say.
    """

    channel: str
    settings: OutreachSettings
    sender: Staff
    now: dt.datetime
    calendar: Calendar
    since: dt.datetime | None = None

    @property
    def local(self) -> dt.datetime:
        """The moment in the one local time."""
        return self.now.astimezone(current_app.config["SETTINGS"].zone)

    def is_open(self) -> bool:
        """Whether customers may be contacted at this moment."""
        return next_open(self.settings, self.calendar, self.local) == self.local


def next_open(settings: OutreachSettings, calendar: Calendar, local: dt.datetime) -> dt.datetime:
    """The first moment from ``local`` (with its zone) on inside contact hours; itself when it is inside."""
    begins, ends = settings.hours()
    for days in range(400):
        day = local.date() + dt.timedelta(days=days)
        if settings.skip_holidays and calendar.kind(day) is DayKind.HOLIDAY:
            continue
        midnight = dt.datetime.combine(day, dt.time(), local.tzinfo)
        if local < midnight + ends:
            return max(local, midnight + begins)
    return local + dt.timedelta(days=400)


def criteria(terms: Terms) -> dict[str, ColumnElement[bool]]:
    """Every rule that can hold a contact back, by reason, over Hit and Lead."""
    settings = terms.settings
    mine = or_(Hit.owner_id.is_(None), Hit.owner_id == terms.sender.id)
    return {
        "deleted": Lead.deleted_at.is_not(None),
        "scope": not_(_in_scope(terms.sender)),
        "opted_out": or_(Lead.opted_out, _suppressed(terms.local.date())),
        "holdout": Hit.holdout,
        "converted": Hit.status == HitStatus.CONVERTED,
        "hit_status": Hit.status.in_(settings.excluded_hit_statuses),
        "lead_status": Lead.status.in_(settings.excluded_lead_statuses),
        "grade": Hit.grade.in_(settings.excluded_grades),
        "owner": false() if supervises(terms.sender) else not_(mine),
        "phone": Lead.phone_masked.regexp_match(_MOBILE).is_(False)
        if terms.channel == "sms"
        else Lead.phone_masked == "",
        "cap_channel": _contacts(terms, getattr(settings, f"{terms.channel}_days"), terms.channel)
        >= getattr(settings, f"{terms.channel}_cap"),
        "cap_total": _contacts(terms, settings.total_days) >= settings.total_cap,
        "twice": _contacted_since(terms.since) if terms.since is not None else false(),
        "hours": literal(not terms.is_open()),
    }


def reasons(terms: Terms, *, leave_out: Iterable[str] = ()) -> ColumnElement[list[str]]:
    """The reasons that hold a contact back, over Hit and Lead, as a text array; empty: it may go."""
    left = set(leave_out)
    each = [
        case((criterion, reason), else_=None)
        for reason, criterion in criteria(terms).items()
        if reason not in left
    ]
    return func.array_remove(cast(array(each), ARRAY(String)), None, type_=ARRAY(String))


def _in_scope(sender: Staff) -> ColumnElement[bool]:
    # A deleted lead has its own reason; the scope's criterion would count it as out of scope.
    return or_(Lead.deleted_at.is_not(None), leads_visible_to(sender))


def _suppressed(today: dt.date) -> ColumnElement[bool]:
    named = or_(Suppression.phone_index == Lead.phone_index, Suppression.id_hash == Lead.id_hash)
    return exists().where(named, suppression.in_force(today))


def _same_person(other: Any) -> ColumnElement[bool]:
    return or_(other.phone_index == Lead.phone_index, other.id_hash == Lead.id_hash)


def _contacts(terms: Terms, days: int, channel: str | None = None) -> ColumnElement[int]:
    """How often the person was contacted in the last local calendar days, today included."""
    other = aliased(Outreach)
    first = dt.datetime.combine(
        terms.local.date() - dt.timedelta(days=days - 1), dt.time(), terms.local.tzinfo
    )
    query = select(func.count()).where(
        _same_person(other),
        other.reserved_at >= first,
        other.status != OutreachStatus.FAILED,
        other.channel == channel if channel else true(),
    )
    return query.correlate(Lead).scalar_subquery()


def _contacted_since(since: dt.datetime) -> ColumnElement[bool]:
    other = aliased(Outreach)
    return exists().where(
        and_(_same_person(other), other.reserved_at >= since, other.status != OutreachStatus.FAILED)
    )
