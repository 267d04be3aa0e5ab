"""How far a hit got: the stages of the funnel, and its first contact. The one place that says what they mean.

The funnel is of live hits that may be contacted: the holdout group is compared, not counted (comparison.py).
Each stage holds all of the next one; a hit that reached a later stage counts for every one before it,
however it got there (a marketer may contact a customer before any push).

* **hit**: caught by a rule, not held out.
* **pushed**: a schedule sent it out and the receiver accepted the delivery that it was in; tests don't count.
* **contacted**: an SMS or a call was taken by its gateway and not reported as failed, or a marketer contacted
  the customer (the steps 单独联系 and 跟进进度, not those that the product takes itself).
* **answered**: a contact's outcome says that the customer reacted: answered, refused, interested, opted out
  or converted. What a marketer hears is known to the product only when it ends in a conversion.
* **converted**: the hit's status, as for back-tests (app/rules/conversions.py).

The **first contact** gives a hit its channel, template version and time of day: each hit is in one part.
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
from app.hits.steps import SYSTEM
from app.lib.row_id import row_id
from app.models import (
    Delivery,
    DeliveryStatus,
    Hit,
    HitEvent,
    HitStatus,
    Outreach,
    OutreachStatus,
    Push,
    PushHit,
)


class Stage(StrEnum):
    """The stages in their order."""

    HIT = "hit"
    PUSHED = "pushed"
    CONTACTED = "contacted"
    ANSWERED = "answered"
    CONVERTED = "converted"


#: the channel of a first contact that a marketer made by hand
HAND = "hand"
CHANNELS = ("sms", "call", HAND)
#: hours of the day as they are told apart: from the first one on, until before the second
BANDS = ((0, 9), (9, 12), (12, 14), (14, 18), (18, 20), (20, 24))
#: the customer reacted, whatever was said
ANSWERED = (
    OutreachStatus.ANSWERED,
    OutreachStatus.REFUSED,
    OutreachStatus.INTERESTED,
    OutreachStatus.OPT_OUT,
    OutreachStatus.CONVERTED,
)
_BY_HAND = ("start", "follow_up")


def countable() -> ColumnElement[bool]:
    """Criterion on Hit: in the funnel at all."""
    return and_(Hit.live, Hit.holdout.is_(False))


def reached(stage: Stage) -> ColumnElement[bool]:
    """Criterion on Hit: in the funnel, and reached the stage or a later one."""
    found: ColumnElement[bool] = Hit.status == HitStatus.CONVERTED
    own = Outreach.hit_id == Hit.id
    earlier: dict[Stage, ColumnElement[bool]] = {
        Stage.ANSWERED: exists().where(own, _went_out(), _said_something()),
        Stage.CONTACTED: or_(
            exists().where(own, _went_out()), exists().where(HitEvent.hit_id == Hit.id, _by_hand())
        ),
        Stage.PUSHED: pushed(Hit.id),
        Stage.HIT: true(),
    }
    for name, criterion in earlier.items():
        if list(Stage).index(name) >= list(Stage).index(stage):
            found = or_(found, criterion)
    return and_(countable(), found)


def pushed(hit_id: Any) -> ColumnElement[bool]:
    """Whether the receiver of a push accepted a delivery that the hit was in."""
    return exists().where(
        PushHit.hit_id == hit_id,
        Push.id == PushHit.push_id,
        Push.is_test.is_(False),
        Delivery.push_id == PushHit.push_id,
        Delivery.status == DeliveryStatus.SENT,
        PushHit.hit_id.between(Delivery.first_hit, Delivery.last_hit),
    )


def touches() -> CompoundSelect[Any]:
    """Everything that was handed over or done by hand: a row each, ``reached`` unless it failed.

    Columns: hit_id, at, channel, version_id (of the template), id, reached, answered, cost (yuan).
    """
    sent = select(
        Outreach.hit_id,
        Outreach.sent_at.label("at"),
        Outreach.channel,
        Outreach.version_id,
        Outreach.id,
        _went_out().label("reached"),
        _said_something().label("answered"),
        func.coalesce(Outreach.cost, 0).label("cost"),
    ).where(or_(Outreach.sent_at.is_not(None), Outreach.cost.is_not(None)))
    by_hand = select(
        HitEvent.hit_id,
        HitEvent.at,
        literal(HAND),
        null(),
        HitEvent.id,
        true(),
        false(),
        cast(literal(0), Numeric),
    ).where(_by_hand())
    return union_all(sent, by_hand)


def in_order(of: Any) -> tuple[Any, ...]:
    """The order of contacts in which the first one is the first; ``of`` holds the columns of touches()."""
    return of.at, of.channel, of.id


def local_hour(moment: Any) -> ColumnElement[int]:
    """The hour of the day of a moment, local."""
    zone = current_app.config["SETTINGS"].timezone
    return cast(extract("hour", func.timezone(zone, moment)), Integer)


def first_contact(channel: str = "", template: str = "", hour: str = "") -> ColumnElement[bool]:
    """Criterion on Hit: what its first contact was; ``none`` for hits without one. Empty: anything.

    ``channel`` is one of CHANNELS, ``template`` the id of a template version, ``hour`` the first hour of one
    of BANDS. Raises DomainError for anything else.
    """
    found: list[ColumnElement[bool]] = []
    if channel:
        found.append(_is(_first("channel"), checked_channel(channel)))
    if template:
        found.append(_is(_first("version_id"), checked_id(template)))
    if hour:
        band, at = checked_band(hour), local_hour(_first("at"))
        found.append(_first("at").is_(None) if band is None else at.between(band[0], band[1] - 1))
    return and_(true(), *found)


def checked_channel(text: str) -> str | None:
    """The channel that a choice means, None for ``none``. Raises DomainError."""
    if text not in (*CHANNELS, NONE):
        raise DomainError("There is no such channel: %(name)s", name=text[:20])
    return None if text == NONE else text


def checked_id(text: str) -> int | None:
    """The id that a choice means, None for ``none``. Raises DomainError."""
    if text == NONE:
        return None
    key = row_id(text)
    if key is None:
        raise DomainError("There is no such version: %(name)s", name=text[:20])
    return key


def checked_band(text: str) -> tuple[int, int] | None:
    """The band that begins at an hour, None for ``none``. Raises DomainError."""
    band = next((each for each in BANDS if str(each[0]) == text), None)
    if band is None and text != NONE:
        raise DomainError("There is no such time of day: %(name)s", name=text[:20])
    return band


def _first(name: str) -> Any:
    """A column of a hit's first contact."""
    found = touches().subquery()
    return (
        select(found.c[name])
        .where(found.c.hit_id == Hit.id, found.c.reached)
        .order_by(*in_order(found.c))
        .limit(1)
        .correlate(Hit)
        .scalar_subquery()
    )


def _is(column: Any, value: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.is_(None) if value is None else column == value
    return found


def _went_out() -> ColumnElement[bool]:
    return and_(Outreach.sent_at.is_not(None), Outreach.status != OutreachStatus.FAILED)


def _said_something() -> ColumnElement[bool]:
    return Outreach.status.in_(ANSWERED)


def _by_hand() -> ColumnElement[bool]:
    return and_(HitEvent.kind.in_(_BY_HAND), HitEvent.person != SYSTEM)
