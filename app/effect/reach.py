"""The definitions of the funnel: its stages, and the first contact of a hit.

The funnel counts live hits whose customers may be contacted. The holdout group is not counted but compared
(comparison.py). Each stage up to the response includes the later ones: a hit that reached a later stage
counts for every earlier one, even if it skipped that (a marketer may contact a customer before any push). A
customer may buy without a contact, so a conversion says nothing about the stages before it, but what somebody
marked as one does: they have heard from the customer.

* **hit**: made by a rule, not held out.
* **pushed**: a schedule sent it, and the receiver accepted the delivery that contained it. Test pushes don't
  count.
* **contacted**: the gateway accepted an SMS or a call and did not report it as failed, or a marketer
  contacted the customer (the steps 单独联系 and 跟进进度, unless the system took them).
* **answered**: the outcome of a contact says that the customer responded: answered, refused, interested,
  opted out or converted. What a customer tells a marketer is known only when it is marked as a conversion.
* **converted**: as everywhere (app/rules/conversions.py).

The **first contact** determines a hit's channel, template version and time of day, so that each hit belongs
to one part.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from flask import current_app
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Numeric,
    and_,
    cast,
    exists,
    extract,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from app.errors import DomainError
from app.hits.by_branch import NONE
from app.lib.row_id import row_id
from app.models import (
    Delivery,
    DeliveryStatus,
    Hit,
    HitEvent,
    Outreach,
    OutreachStatus,
    Push,
    PushHit,
)
from app.rules import conversions
from app.segments.contacts import ANSWERED, by_hand


class Stage(StrEnum):
    """The stages of the funnel, in order."""

    HIT = "hit"
    PUSHED = "pushed"
    CONTACTED = "contacted"
    ANSWERED = "answered"
    CONVERTED = "converted"


#: the channel of a first contact made by a marketer
MANUAL = "hand"
CHANNELS = ("sms", "call", MANUAL)
#: bands of hours of the day: the first hour included, the second excluded
HOUR_BANDS = ((0, 9), (9, 12), (12, 14), (14, 18), (18, 20), (20, 24))


def countable() -> ColumnElement[bool]:
    """Return the criterion on Hit for being in the funnel."""
    return and_(Hit.live, Hit.holdout.is_(False))


def reached(stage: Stage) -> ColumnElement[bool]:
    """Return the criterion on Hit for having reached the stage."""
    if stage is Stage.CONVERTED:
        return and_(countable(), conversions.converted())
    criterion = conversions.claimed()
    own = Outreach.hit_id == Hit.id
    earlier: dict[Stage, ColumnElement[bool]] = {
        Stage.ANSWERED: exists().where(own, _was_sent(), _was_answered()),
        Stage.CONTACTED: or_(
            exists().where(own, _was_sent()), exists().where(HitEvent.hit_id == Hit.id, by_hand())
        ),
        Stage.PUSHED: pushed(Hit.id),
        Stage.HIT: true(),
    }
    for name, of_stage in earlier.items():
        if list(Stage).index(name) >= list(Stage).index(stage):
            criterion = or_(criterion, of_stage)
    return and_(countable(), criterion)


def pushed(hit_id: Any) -> ColumnElement[bool]:
    """Return the criterion that a receiver accepted a delivery that contained the hit."""
    return exists().where(
        PushHit.hit_id == hit_id,
        Push.id == PushHit.push_id,
        Push.is_test.is_(False),
        Delivery.push_id == PushHit.push_id,
        Delivery.status == DeliveryStatus.SENT,
        PushHit.hit_id.between(Delivery.first_hit, Delivery.last_hit),
    )


def touches() -> CompoundSelect[Any]:
    """Return a query of all contacts, sent or manual; ``reached`` is false for those that failed.

    Columns: hit_id, at, channel, version_id (of the template), id, reached, answered, cost (yuan).
    """
    sent = select(
        Outreach.hit_id,
        Outreach.sent_at.label("at"),
        Outreach.channel,
        Outreach.version_id,
        Outreach.id,
        _was_sent().label("reached"),
        _was_answered().label("answered"),
        func.coalesce(Outreach.cost, 0).label("cost"),
    ).where(or_(Outreach.sent_at.is_not(None), Outreach.cost.is_not(None)))
    manual = select(
        HitEvent.hit_id,
        HitEvent.at,
        literal(MANUAL),
        null(),
        HitEvent.id,
        true(),
        false(),
        cast(literal(0), Numeric),
    ).where(by_hand())
    return union_all(sent, manual)


def contact_order(touch: Any) -> tuple[Any, ...]:
    """Return the columns that order contacts by time; ``touch`` has the columns of touches()."""
    return touch.at, touch.channel, touch.id


def local_hour(moment: Any) -> ColumnElement[int]:
    """Return the local hour of the day of a moment."""
    zone = current_app.config["SETTINGS"].timezone
    return cast(extract("hour", func.timezone(zone, moment)), Integer)


def first_contact(channel: str = "", template: str = "", hour: str = "") -> ColumnElement[bool]:
    """Return the criterion on Hit for its first contact.

    ``channel`` is one of CHANNELS, ``template`` the id of a template version, ``hour`` the first hour of one
    of HOUR_BANDS. Each may be ``none`` for hits without a contact, and empty for no condition. Raises
    DomainError for anything else.
    """
    criteria: list[ColumnElement[bool]] = []
    if channel:
        criteria.append(_is(_first("channel"), parse_channel(channel)))
    if template:
        criteria.append(_is(_first("version_id"), parse_id(template)))
    if hour:
        band, at = parse_hour_band(hour), local_hour(_first("at"))
        criteria.append(_first("at").is_(None) if band is None else at.between(band[0], band[1] - 1))
    return and_(true(), *criteria)


def parse_channel(text: str) -> str | None:
    """Return the channel that a filter value means; None for ``none``. Raises DomainError."""
    if text not in (*CHANNELS, NONE):
        raise DomainError("There is no such channel: %(name)s", name=text[:20])
    return None if text == NONE else text


def parse_id(text: str) -> int | None:
    """Return the id that a filter value means; None for ``none``. Raises DomainError."""
    if text == NONE:
        return None
    key = row_id(text)
    if key is None:
        raise DomainError("There is no such version: %(name)s", name=text[:20])
    return key


def parse_hour_band(text: str) -> tuple[int, int] | None:
    """Return the band that begins at the hour of a filter value; None for ``none``. Raises DomainError."""
    band = next((each for each in HOUR_BANDS if str(each[0]) == text), None)
    if band is None and text != NONE:
        raise DomainError("There is no such time of day: %(name)s", name=text[:20])
    return band


def _first(name: str) -> Any:
    """Return a column of a hit's first contact as a scalar subquery."""
    touch = touches().subquery()
    return (
        select(touch.c[name])
        .where(touch.c.hit_id == Hit.id, touch.c.reached)
        .order_by(*contact_order(touch.c))
        .limit(1)
        .correlate(Hit)
        .scalar_subquery()
    )


def _is(column: Any, value: Any) -> ColumnElement[bool]:
    criterion: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return criterion


def _was_sent() -> ColumnElement[bool]:
    return and_(Outreach.sent_at.is_not(None), Outreach.status != OutreachStatus.FAILED)


def _was_answered() -> ColumnElement[bool]:
    return Outreach.status.in_(ANSWERED)
