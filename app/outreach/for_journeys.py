"""Contacts of journeys: queued in a batch of their own, and sent as those of every other batch.

Such a batch has no sender, so that no branches limit it and no customer's owner holds it back; it takes
contacts as long as its journey goes on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select, text

from app.extensions import db
from app.models import (
    JourneyStop,
    JourneyVersion,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    OutreachTemplate,
)

#: a contact that is neither made nor given up
UNDER_WAY = (OutreachStatus.QUEUED, OutreachStatus.SENDING, OutreachStatus.UNKNOWN)
#: a contact that will not be made
NOT_MADE = (OutreachStatus.HELD, OutreachStatus.DROPPED, OutreachStatus.FAILED)

_QUEUE = text(
    "INSERT INTO outreach (batch_id, hit_id, lead_id, version_id, channel, phone_index, id_hash, next_at) "
    "SELECT :batch, g.hit, l.id, :version, :channel, l.phone_index, l.id_hash, :now "
    "FROM unnest(CAST(:leads AS bigint[]), CAST(:hits AS bigint[])) AS g (lead, hit) "
    "JOIN lead l ON l.id = g.lead "
    "RETURNING lead_id, id"
)


@dataclass(frozen=True)
class Wanted:
    """A contact that a step of a journey asks for; ``number`` is that of the step in the customer's path."""

    lead_id: int
    hit_id: int | None
    number: int


def queue(
    version: JourneyVersion,
    step: str,
    channel: str,
    template: str,
    wanted: Sequence[Wanted],
    now: dt.datetime,
) -> dict[Wanted, int]:
    """Queue contacts, at most one of a lead. Return the id of each, and commit nothing."""
    text = db.session.scalars(select(OutreachTemplate).where(OutreachTemplate.code == template)).one()
    queued: dict[Wanted, int] = {}
    for number in sorted({each.number for each in wanted}):
        batch = _batch(version, step, channel, text.versions[0].id, number, now)
        some = [each for each in wanted if each.number == number]
        found = db.session.execute(
            _QUEUE,
            {
                "leads": [each.lead_id for each in some],
                "hits": [each.hit_id for each in some],
                "batch": batch.id,
                "version": batch.version_id,
                "channel": channel,
                "now": now,
            },
        )
        by_lead = dict(found.tuples().all())
        queued |= {each: by_lead[each.lead_id] for each in some}
        batch.candidates += len(some)
    return queued


def _batch(
    version: JourneyVersion, step: str, channel: str, text_id: int, number: int, now: dt.datetime
) -> OutreachBatch:
    """Return the running batch of a step, locked; a customer is in it once for each time at the step."""
    name = f"{version} {step} ({number})"
    query = select(OutreachBatch).where(
        OutreachBatch.journey_version_id == version.id,
        OutreachBatch.name == name[:80],
        OutreachBatch.version_id == text_id,
    )
    batch = db.session.scalar(query.with_for_update())
    if batch is None:
        batch = OutreachBatch(
            name=name[:80],
            channel=channel,
            version_id=text_id,
            selection={},
            candidates=0,
            created_by=version.activated_by or version.created_by,
            journey_version_id=version.id,
            confirmed_at=now,
        )
        db.session.add(batch)
    batch.status, batch.finished_at, batch.spent = OutreachBatchStatus.RUNNING, None, None
    batch.not_before, batch.waits_for = None, ""
    db.session.flush()
    return batch


def stands_still(batch: OutreachBatch) -> bool:
    """Whether a batch is that of a journey that stands still, alone or with all others."""
    journey = select(JourneyVersion.journey_id).where(JourneyVersion.id == batch.journey_version_id)
    stopped = or_(JourneyStop.journey_id.is_(None), JourneyStop.journey_id.in_(journey))
    open_ = select(JourneyStop.id).where(JourneyStop.ended_at.is_(None), stopped).limit(1)
    return batch.journey_version_id is not None and db.session.scalar(open_) is not None
