"""The compliance rules: who may be contacted now, and which rules hold the others back.

The check of a batch, sending and the "why" page all use them. Every rule is a criterion over ``Hit`` joined
to ``Lead``, so that any number of candidates takes one query.
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
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    distinct,
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
from app.models import Hit, HitEvent, HitStatus, Lead, Outreach, OutreachStatus, Staff, Suppression
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar, DayKind

#: display names of the reasons, in order of precedence when several apply
REASONS: dict[str, Any] = {
    "deleted": lazy_gettext("Lead deleted"),
    "withdrawn": lazy_gettext("Hit withdrawn after a correction of logs"),
    "scope": lazy_gettext("Outside the sender's branches"),
    "opted_out": lazy_gettext("On the do-not-disturb list"),
    "holdout": lazy_gettext("In a holdout group"),
    "converted": lazy_gettext("Converted before the contact"),
    "hit_status": lazy_gettext("Hit status excluded"),
    "lead_status": lazy_gettext("Lead status excluded"),
    "grade": lazy_gettext("Grade excluded"),
    "owner": lazy_gettext("Somebody else works on it"),
    "phone": lazy_gettext("Phone number invalid for the channel"),
    "cap_channel": lazy_gettext("Frequency cap of the channel reached"),
    "cap_total": lazy_gettext("Frequency cap of all channels reached"),
    "twice": lazy_gettext("Same person already in another hit or batch"),
    "fact": lazy_gettext("A fact in the text is not known of the customer"),
    "hours": lazy_gettext("Outside contact hours"),
    "cancelled": lazy_gettext("Batch cancelled"),
    "sender": lazy_gettext("The sender is no longer allowed to contact customers"),
    "gateway": lazy_gettext("Rejected by the gateway"),
    "unseen": lazy_gettext("The gateway never received it"),
}
#: display names of the rules that are passed, by reason
PASSED: dict[str, Any] = {
    "deleted": lazy_gettext("Lead still on the list"),
    "withdrawn": lazy_gettext("Hit not withdrawn"),
    "scope": lazy_gettext("Inside the sender's branches"),
    "opted_out": lazy_gettext("Not on the do-not-disturb list"),
    "holdout": lazy_gettext("In no holdout group"),
    "converted": lazy_gettext("Not converted yet"),
    "hit_status": lazy_gettext("Hit status not excluded"),
    "lead_status": lazy_gettext("Lead status not excluded"),
    "grade": lazy_gettext("Grade not excluded"),
    "owner": lazy_gettext("Nobody else works on it"),
    "phone": lazy_gettext("Phone number valid for the channel"),
    "cap_channel": lazy_gettext("Frequency cap of the channel not reached"),
    "cap_total": lazy_gettext("Frequency cap of all channels not reached"),
    "hours": lazy_gettext("Inside contact hours"),
}
#: reasons for which a candidate is dropped; the others hold it back
DROPPED = frozenset({"deleted", "withdrawn", "scope", "cancelled", "sender"})
_MOBILE = r"^1[3-9][0-9]\*{4}[0-9]{4}$"


@dataclass(frozen=True)
class Terms:
    """The terms under which contacts are judged: channel, settings, sender (None for journeys) and moment.

    A person contacted after ``since`` counts as contacted by the same effort, whatever the caps say.
    """

    channel: str
    settings: OutreachSettings
    sender: Staff | None
    now: dt.datetime
    calendar: Calendar
    since: dt.datetime | None = None

    @property
    def local(self) -> dt.datetime:
        """The moment in local time."""
        return self.now.astimezone(current_app.config["SETTINGS"].zone)

    def is_open(self) -> bool:
        """Whether customers may be contacted at this moment."""
        return next_open(self.settings, self.calendar, self.local) == self.local


def next_open(settings: OutreachSettings, calendar: Calendar, local: dt.datetime) -> dt.datetime:
    """Return the first moment inside contact hours from ``local`` (with its zone) on."""
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
    """Return every rule that can hold a contact back, by reason, as criteria over Hit and Lead."""
    settings, sender = terms.settings, terms.sender
    return {
        "deleted": Lead.deleted_at.is_not(None),
        "withdrawn": Hit.status == HitStatus.WITHDRAWN,
        "scope": false() if sender is None else not_(_in_scope(sender)),
        "opted_out": or_(Lead.opted_out, _suppressed(terms.local.date())),
        "holdout": and_(Hit.holdout),
        "converted": or_(Hit.status == HitStatus.CONVERTED, Hit.converted.is_(True)),
        "hit_status": Hit.status.in_(settings.excluded_hit_statuses),
        "lead_status": excluded_lead(settings),
        "grade": excluded_grade(settings),
        "owner": false() if sender is None or supervises(sender) else not_(_workable_by(sender)),
        "phone": unusable_phone(terms.channel),
        "cap_channel": _capped(terms, terms.channel),
        "cap_total": _capped(terms),
        "twice": _contacted_since(terms.since) if terms.since is not None else false(),
        "hours": literal(not terms.is_open()),
    }


def excluded_lead(settings: OutreachSettings) -> ColumnElement[bool]:
    """Return the criterion on Lead for a status that the settings exclude."""
    return Lead.status.in_(settings.excluded_lead_statuses)


def excluded_grade(settings: OutreachSettings) -> ColumnElement[bool]:
    """Return the criterion on Hit for a grade that the settings exclude."""
    return Hit.grade.in_(settings.excluded_grades)


def unusable_phone(channel: str) -> ColumnElement[bool]:
    """Return the criterion on Lead for a phone number that a channel can't reach."""
    if channel == "sms":
        return Lead.phone_masked.regexp_match(_MOBILE).is_(False)
    return Lead.phone_masked == ""


def _capped(terms: Terms, channel: str | None = None) -> ColumnElement[bool]:
    name = channel or "total"
    most, days = (getattr(terms.settings, f"{name}_{part}") for part in ("cap", "days"))
    if most is None:
        return false()
    return _contacts(terms, days, channel) >= most


def reasons(terms: Terms, *, ignore: Iterable[str] = ()) -> ColumnElement[list[str]]:
    """Return the reasons that hold a contact back as an SQL text array over Hit and Lead.

    The array is empty when the contact may be made.
    """
    ignored = set(ignore)
    each = [
        case((criterion, reason), else_=None)
        for reason, criterion in criteria(terms).items()
        if reason not in ignored
    ]
    return func.array_remove(cast(array(each), ARRAY(String)), None, type_=ARRAY(String))


def _workable_by(sender: Staff) -> ColumnElement[bool]:
    return or_(Hit.owner_id.is_(None), Hit.owner_id == sender.id)


def _in_scope(sender: Staff) -> ColumnElement[bool]:
    # A deleted lead has its own reason, but the scope's criterion would report it as out of scope.
    return or_(Lead.deleted_at.is_not(None), leads_visible_to(sender))


def _suppressed(today: dt.date) -> ColumnElement[bool]:
    named = or_(Suppression.phone_index == Lead.phone_index, Suppression.id_hash == Lead.id_hash)
    return exists().where(named, suppression.in_force(today))


def _same_person(other: Any) -> ColumnElement[bool]:
    return or_(other.phone_index == Lead.phone_index, other.id_hash == Lead.id_hash)


def _contacts(terms: Terms, days: int, channel: str | None = None) -> ColumnElement[int]:
    """Return how often the person was contacted in the last local calendar days, today included."""
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
    sent: ColumnElement[int] = query.correlate(Lead).scalar_subquery()
    if channel == "sms":
        return sent
    calls = called_by_hand(Lead).where(HitEvent.at >= first)
    return sent + calls.with_only_columns(func.count(distinct(HitEvent.at))).correlate(Lead).scalar_subquery()


def called_by_hand(person: Any) -> Select[Any]:
    """Return a query of the moments at which somebody recorded how a call to a person ended.

    A result recorded within a day of a call by the gateway tells of that call, which counts already.
    ``person`` is a lead or the table of leads.
    """
    known, own, placed = aliased(Lead), aliased(Hit), aliased(Outreach)
    day = dt.timedelta(days=1)
    told = (
        exists()
        .where(
            placed.channel == "call",
            placed.status != OutreachStatus.FAILED,
            placed.reserved_at.between(HitEvent.at - day, HitEvent.at),
            or_(placed.phone_index == person.phone_index, placed.id_hash == person.id_hash),
        )
        .correlate_except(placed)
    )
    # Each has an index of its own: of the leads on the list, and of deleted ones.
    same_hash = [
        and_(known.id_hash == person.id_hash, gone)
        for gone in (known.deleted_at.is_(None), known.deleted_at.is_not(None))
    ]
    # As an array, so that the person's few hits are found first: a plan that begins with everybody's steps
    # of the last days reads them anew for each candidate of a batch.
    hits = (
        select(func.array_agg(own.id))
        .join(known, known.id == own.lead_id)
        .where(or_(known.phone_index == person.phone_index, *same_hash))
        .correlate_except(known, own)
        .scalar_subquery()
    )
    return select(HitEvent.at).where(
        HitEvent.hit_id == func.any(cast(hits, ARRAY(BigInteger))),
        *(HitEvent.result_id.is_not(None), HitEvent.stands(), ~told),
    )


def _contacted_since(since: dt.datetime) -> ColumnElement[bool]:
    other = aliased(Outreach)
    return exists().where(
        and_(_same_person(other), other.reserved_at >= since, other.status != OutreachStatus.FAILED)
    )
