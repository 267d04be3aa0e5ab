"""Contacts by hand: whether a customer may be called or written to now, why not, and from when.

The rules are those of a batch. A manager may let a call outside contact hours pass, once the customer asked
to be called back; that holds for the customer until the end of the day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app
from sqlalchemy import or_, select

from app import labels
from app.access.scope import supervises
from app.errors import DomainError, FieldError
from app.extensions import db
from app.hits import owner
from app.hits.due import midnight
from app.hits.results import Ending, agreed_at
from app.leads.reasons import checked_reason
from app.lib import clock
from app.models import Customer, Hit, HitEvent, Lead, Outreach, OutreachStatus, ResultKind, Staff
from app.outreach import settings, why
from app.outreach.compliance import REASONS, Terms, called_by_hand, criteria, next_open
from app.outreach.why import Verdict
from app.schedules import calendar

CALL = "call"
#: rules that hold a contact back for a time only
PASSING = frozenset({"hours", "cap_channel", "cap_total"})


@dataclass(frozen=True)
class Answer:
    """Whether a customer may be contacted by a channel now: the rules, the reasons against it, from when.

    ``from_when`` is None while nothing passes by itself; ``allowed_by`` let a call outside hours pass.
    """

    verdict: Verdict
    held: list[str]
    from_when: dt.datetime | None = None
    allowed_by: HitEvent | None = None

    @property
    def channel(self) -> str:
        """The channel."""
        return self.verdict.channel


def answers(hit: Hit, user: Staff) -> list[Answer]:
    """Return the answer by channel for a hit."""
    return [_answer(verdict, user) for verdict in why.of_hit_now(hit, user)]


def may_call(hit: Hit, user: Staff) -> Answer:
    """Return the answer for a call."""
    return next(each for each in answers(hit, user) if each.channel == CALL)


def judged(hit: Hit, *, as_customer: bool) -> Hit:
    """Return the hit by which a contact is judged where one is shown.

    The page of a customer is about the customer, who is contacted for the newest hit that can be worked; the
    page of a hit is about that hit.
    """
    customer = db.session.get(Customer, hit.lead_id) if as_customer else None
    return customer.hit if customer is not None and customer.hit is not None else hit


def held_today(customers: Sequence[int], user: Staff) -> set[int]:
    """Return which of some customers may not be called today, whatever the hour."""
    terms = Terms(CALL, settings.current(), user, clock.now(), calendar.current())
    rules = [rule for name, rule in criteria(terms).items() if name not in ("twice", "hours")]
    query = select(Customer.id).join(Hit, Hit.id == Customer.hit_id).join(Lead, Lead.id == Customer.id)
    return set(db.session.scalars(query.where(Customer.id.in_(customers), or_(*rules))))


def check_call(lead: Lead, user: Staff, hit_id: int | None) -> None:
    """Raise DomainError with the reasons when the lead may not be called now for a hit.

    The hit is that by which the page judged, by default the newest that can be worked.
    """
    named = db.session.get(Hit, hit_id) if hit_id else None
    customer = db.session.get(Customer, lead.id)
    hit = named if named is not None and named.lead_id == lead.id else customer and customer.hit
    if hit is None:
        return
    answer = may_call(hit, user)
    if answer.held:
        raise DomainError(
            "%(lead)s can't be called now: %(why)s.",
            lead=str(lead),
            why=" · ".join(labels.word(REASONS, code) for code in answer.held),
        )


def next_moment(moment: dt.datetime) -> dt.datetime:
    """Return the first moment from one on at which contact hours let customers be contacted."""
    local = moment.astimezone(current_app.config["SETTINGS"].zone)
    return next_open(settings.current(), calendar.current(), local)


def check_agreed(ending: Ending) -> None:
    """Raise FieldError for an agreed call outside contact hours, with these and the next moment inside them.

    It is about the time, or about the day when nobody may be contacted on it.
    """
    moment = agreed_at(ending)
    if ending.result is None or ending.result.kind != ResultKind.CALL_BACK or moment is None:
        return
    allowed = next_moment(moment)
    if allowed == moment or moment < clock.now():
        return
    upcoming = f"{labels.local(allowed):%Y-%m-%d %H:%M}"
    if clock.today(next_moment(midnight(clock.today(moment)))) != clock.today(moment):
        raise FieldError(
            "call_on",
            "Customers may not be contacted on that day. The next moment allowed is %(next)s.",
            next=upcoming,
        )
    rules = settings.current()
    raise FieldError(
        "call_at",
        "Customers may be contacted from %(begin)s to %(end)s. The next moment allowed is %(next)s.",
        begin=rules.open_from,
        end=rules.open_to,
        next=upcoming,
    )


def may_allow(answer: Answer, customer: Customer, user: Staff) -> bool:
    """Whether the user may let a call outside contact hours pass: the customer asked for one today."""
    at = customer.call_back_at
    asked = at is not None and clock.today(at) == clock.today()
    return answer.channel == CALL and answer.held == ["hours"] and asked and supervises(user)


def allow(hit: Hit, user: Staff, reason: str | None) -> None:
    """Let calls to the customer of a hit outside contact hours pass today. Does not commit.

    Raises FieldError without a reason, DomainError when the customer asked for no call today, when another
    rule holds it back, or for somebody who isn't a manager.
    """
    customer = owner.of_hit(hit)
    if not may_allow(may_call(hit, user), customer, user):
        raise DomainError(
            "Only a manager can let a call pass, only outside contact hours, and only on the day for which"
            " the customer asked to be called back."
        )
    owner.allow_call(customer, user, checked_reason(reason))


def _answer(verdict: Verdict, user: Staff) -> Answer:
    held = verdict.held
    passed = _allowed_today(verdict.hit) if verdict.channel == CALL and "hours" in held else None
    if passed is not None:
        held = [code for code in held if code != "hours"]
    if not held or not set(held) <= PASSING:
        return Answer(verdict, held, allowed_by=passed)
    return Answer(verdict, held, _first_moment(verdict), passed)


def _allowed_today(hit: Hit) -> HitEvent | None:
    query = (
        select(HitEvent)
        .join(Hit, Hit.id == HitEvent.hit_id)
        .where(Hit.lead_id == hit.lead_id, HitEvent.kind == "allow_call")
        .where(HitEvent.at >= midnight(clock.today()))
        .order_by(HitEvent.id.desc())
        .limit(1)
    )
    return db.session.scalar(query)


def _first_moment(verdict: Verdict) -> dt.datetime:
    """Return the first moment at which neither caps nor contact hours hold the contact back."""
    rules, zone = settings.current(), current_app.config["SETTINGS"].zone
    local = clock.now().astimezone(zone)
    freed = [local.date()]
    for name, channel in ((verdict.channel, verdict.channel), ("total", None)):
        most, days = getattr(rules, f"{name}_cap"), getattr(rules, f"{name}_days")
        if most is not None:
            freed.append(_freed_on(verdict.hit.lead, most, days, channel, local.date()))
    day = max(freed)
    begin = local if day == local.date() else dt.datetime.combine(day, dt.time(), zone)
    return next_open(rules, calendar.current(), begin)


def _freed_on(lead: Lead, most: int, days: int, channel: str | None, today: dt.date) -> dt.date:
    """Return the first date on which fewer than ``most`` contacts lie within the last ``days`` days."""
    same = or_(Outreach.phone_index == lead.phone_index, Outreach.id_hash == lead.id_hash)
    first = midnight(today - dt.timedelta(days=days - 1))
    query = select(Outreach.reserved_at).where(same, Outreach.status != OutreachStatus.FAILED)
    query = query.where(Outreach.reserved_at >= first)
    if channel:
        query = query.where(Outreach.channel == channel)
    moments = [each for each in db.session.scalars(query) if each is not None]
    if channel != "sms":
        moments += set(db.session.scalars(called_by_hand(lead).where(HitEvent.at >= first)))
    newest = sorted(moments, reverse=True)[:most]
    return today if len(newest) < most else clock.today(newest[-1]) + dt.timedelta(days=days)
