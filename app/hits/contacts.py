"""The last contact of customers with its result: by SMS or call, or as somebody noted it on a hit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.extensions import db
from app.hits.owner import SYSTEM
from app.hits.results import name_of
from app.models import ContactResult, Hit, HitEvent, Outreach

#: steps that mean that somebody talked to the customer or tried to
TALKS = ("start", "follow_up", "convert", "close")


@dataclass(frozen=True)
class LastContact:
    """A contact: when, and its result. ``channel`` is sms or call, empty for a step that was noted.

    ``name`` is that of the result that somebody chose, ``wrong_number`` what it says of the number.
    """

    at: dt.datetime
    channel: str
    result: str
    name: str = ""
    wrong_number: bool = False


def last_contacts(customers: Sequence[int]) -> dict[int, LastContact]:
    """Return the last contact of each of the customers who had any."""
    sent = (
        select(Outreach.lead_id, Outreach.sent_at, Outreach.channel, Outreach.status)
        .where(Outreach.lead_id.in_(customers), Outreach.sent_at.is_not(None))
        .distinct(Outreach.lead_id)
        .order_by(Outreach.lead_id, Outreach.id.desc())
    )
    noted = (
        select(Hit.lead_id, HitEvent.at, HitEvent.kind, ContactResult)
        .join(Hit, Hit.id == HitEvent.hit_id)
        .outerjoin(ContactResult, ContactResult.id == HitEvent.result_id)
        .where(Hit.lead_id.in_(customers), HitEvent.kind.in_(TALKS), HitEvent.person != SYSTEM)
        .where(HitEvent.stands())
        .distinct(Hit.lead_id)
        .order_by(Hit.lead_id, HitEvent.id.desc())
    )
    last = {
        lead: LastContact(at, channel, status)
        for lead, at, channel, status in db.session.execute(sent).tuples()
        if at is not None
    }
    for lead, at, kind, result in db.session.execute(noted).tuples():
        if lead not in last or last[lead].at < at:
            last[lead] = _noted(at, kind, result)
    return last


def _noted(at: dt.datetime, kind: str, result: ContactResult | None) -> LastContact:
    if result is None:
        return LastContact(at, "", kind)
    return LastContact(at, "", kind, name_of(result), result.wrong_number)
