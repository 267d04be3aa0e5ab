"""Which targets of pushes know how the work on hits stands: a message says so as of its sending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from sqlalchemy import exists, or_, select

from app.channels import channels
from app.extensions import db
from app.models import Delivery, DeliveryAttempt, DeliveryStatus, PushHit, Target


def told_since(moment: dt.datetime, hits: Collection[int]) -> Target | None:
    """Return a target that was, or is just being, told the status of one of the hits since a moment.

    A message without an answer may have arrived.
    """
    attempt = exists().where(
        DeliveryAttempt.delivery_id == Delivery.id,
        DeliveryAttempt.tried_at >= moment,
        or_(DeliveryAttempt.outcome == "ok", DeliveryAttempt.http_status.is_(None)),
    )
    query = (
        select(Target)
        .join(Delivery, Delivery.target_id == Target.id)
        .join(PushHit, PushHit.push_id == Delivery.push_id)
        .where(PushHit.hit_id.in_(hits), PushHit.hit_id.between(Delivery.first_hit, Delivery.last_hit))
        .where(Target.kind.in_([kind for kind, each in channels().items() if each.tells_status]))
        .where(or_(Delivery.status == DeliveryStatus.SENDING, attempt))
    )
    return db.session.scalar(query.limit(1))
