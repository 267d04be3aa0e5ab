"""Results of a batch by text: contacted, answered, converted, opted out; and the cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask import current_app
from sqlalchemy import ColumnElement, Date, and_, cast, exists, func, or_, select

from app.extensions import db
from app.models import Hit, Outcome, Outreach, OutreachBatch, OutreachStatus
from app.rules import conversions
from app.rules.proportion import Share
from app.segments.contacts import ANSWERED

#: statuses of contacts without any feedback yet
UNHEARD = (OutreachStatus.QUEUED, OutreachStatus.SENDING, OutreachStatus.UNKNOWN, OutreachStatus.SENT)


@dataclass(frozen=True)
class Figures:
    """The results of one text. Each share is of all who were contacted, whether they were reached or not.

    ``returned`` is the number of contacts with any feedback, if only that it was delivered. ``claimed`` hits
    were marked as converted; an outcome ``confirmed`` some of them.
    """

    contacted: int
    answered: Share
    converted: Share
    opted_out: Share
    returned: int
    segments: int
    cost: Decimal
    claimed: int = 0
    confirmed: int = 0


def by_text(batch: OutreachBatch) -> dict[int, Figures]:
    """Return the figures of the batch's texts by version id. A text sent to nobody is left out."""
    count, turned = func.count(), converted()
    query = (
        select(
            Outreach.version_id,
            count.filter(Outreach.sent_at.is_not(None)),
            count.filter(Outreach.status.in_(ANSWERED)),
            count.filter(turned),
            count.filter(Outreach.status == OutreachStatus.OPT_OUT),
            count.filter(or_(Outreach.status.not_in(UNHEARD), turned)),
            func.coalesce(func.sum(Outreach.segments), 0),
            func.coalesce(func.sum(Outreach.cost), 0),
            count.filter(conversions.claimed()),
            count.filter(conversions.claimed(), Hit.converted.is_(True)),
        )
        .outerjoin(Hit, Hit.id == Outreach.hit_id)
        .where(Outreach.batch_id == batch.id, Outreach.reserved_at.is_not(None))
        .group_by(Outreach.version_id)
    )
    figures = {}
    for version, contacted, *parts, returned, segments, cost, claimed, confirmed in db.session.execute(query):
        answered, won, opted_out = (Share(part, contacted) for part in parts)
        figures[version] = Figures(
            contacted, answered, won, opted_out, returned, segments, Decimal(cost), claimed, confirmed
        )
    return figures


def converted() -> ColumnElement[bool]:
    """Return the criterion for contacts whose hit converted, the same for both texts.

    Without a hit the customer's outcomes from the day of contact count, of any product. While claims stand
    in: their own outcome says so, or their hit was marked on the day of contact or later.
    """
    if conversions.judged_by_outcomes():
        return or_(conversions.converted(by_outcomes=True), and_(Outreach.hit_id.is_(None), _bought()))
    zone = current_app.config["SETTINGS"].timezone
    contacted, on = (cast(func.timezone(zone, at), Date) for at in (Outreach.sent_at, Hit.converted_at))
    return or_(Outreach.status == OutreachStatus.CONVERTED, and_(conversions.claimed(), on >= contacted))


def _bought() -> ColumnElement[bool]:
    day = cast(func.timezone(current_app.config["SETTINGS"].timezone, Outreach.sent_at), Date)
    in_time = Outcome.on_date.between(day, day + conversions.days())
    return exists().where(Outcome.lead_id == Outreach.lead_id, in_time)
