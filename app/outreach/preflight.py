"""The check of a batch before sending: a row per candidate, the reasons for holding back, the cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import CTE, and_, case, delete, func, insert, literal, or_, select, update

from app.errors import OUT_OF_MEMORY, DomainError, Said
from app.extensions import db
from app.jobs.leases import begin_attempt, check_attempts
from app.jobs.locks import Lock, try_lock
from app.jobs.nudges import nudge
from app.lib import clock
from app.models import (
    Branch,
    Hit,
    Lead,
    Outreach,
    OutreachBatch,
    OutreachBatchStatus,
    OutreachStatus,
    OutreachTemplateVersion,
)
from app.outreach import candidates, compliance, cost, gateways, settings, templates, text_facts
from app.outreach.compliance import DROPPED, Terms
from app.outreach.text_facts import Told
from app.outreach.variants import Draw
from app.schedules import calendar

#: candidates up to which the check runs within the request, and candidates judged at a time
AT_ONCE, STEP = 2_000, 5_000


class _Stopped(Exception):
    """The batch was cancelled while it was being checked."""


def start(batch: OutreachBatch) -> None:
    """Check a small batch now, a large one in the background."""
    if batch.candidates <= AT_ONCE:
        run(batch.id)
    else:
        nudge("outreach", "app.jobs.outreach.prepare", batch.id)


def run(batch_id: int) -> None:
    """Store a row for every candidate, judge them, and commit.

    Does nothing when the batch is already checked or being checked.
    """
    if not try_lock(db.session(), Lock.OUTREACH_CHECK, batch_id):
        return
    batch = db.session.get(OutreachBatch, batch_id, populate_existing=True)
    if batch is None or batch.status != OutreachBatchStatus.CHECKING:
        return
    try:
        _begin(batch)
        _finish(batch, _check(batch))
    except _Stopped:
        db.session.rollback()
    except DomainError as error:
        db.session.rollback()
        _finish(batch, {"status": OutreachBatchStatus.FAILED, "error": error.said})
    except MemoryError:
        db.session.rollback()
        _finish(batch, {"status": OutreachBatchStatus.FAILED, "error": Said(OUT_OF_MEMORY)})
        raise


def _begin(batch: OutreachBatch) -> None:
    """Count an attempt. Raises DomainError after MAX_ATTEMPTS unfinished ones."""
    count = update(OutreachBatch).where(OutreachBatch.id == batch.id).values(**begin_attempt(OutreachBatch))
    with db.engine.begin() as connection:
        attempts = connection.execute(count.returning(OutreachBatch.attempts)).scalar_one()
    check_attempts(attempts)


def terms_of(batch: OutreachBatch, now: dt.datetime) -> Terms:
    """Return the terms for judging the batch's contacts at a moment. Raises DomainError as ``sender_of``."""
    if batch.journey_version_id is not None:
        return Terms(batch.channel, settings.of_journeys(), None, now, calendar.current())
    sender = candidates.sender_of(batch)
    return Terms(batch.channel, settings.current(), sender, now, calendar.current(), since=batch.confirmed_at)


def _check(batch: OutreachBatch) -> dict[str, Any]:
    """Store and judge the candidates step by step. Return the new column values of the batch.

    The transaction leaves the batch's own row alone until the end; progress is stored in separate ones.
    """
    # What can be known before holds for the moment at which the batch starts.
    terms = terms_of(batch, batch.send_at or clock.now())
    hits = candidates.selected_hits(batch)
    draw = Draw(batch)
    db.session.execute(delete(Outreach).where(Outreach.batch_id == batch.id))
    for first in range(0, len(hits), STEP):
        if first or len(hits) > AT_ONCE:
            _report(batch.id, first)
        part = hits[first : first + STEP]
        _fill(batch, [hit for hit, _ in part], [hit for hit, id_hash in part if draw.gets_b(id_hash)])
        _hold(_judged(batch, terms, part[0][0], part[-1][0]), terms)
    if len(hits) > AT_ONCE:
        _report(batch.id, len(hits))
    _hold(_twice(batch), terms)
    told = _hold_unknown(batch, terms)
    counted = candidates.counts(batch)
    return {
        "status": OutreachBatchStatus.CHECKED,
        "candidates": counted["go"] + sum(counted["held"].values()),
        "planned": counted | {"texts": _plan(batch, terms, told)},
        "gateway": gateways.current(batch.channel).name,
    }


def _finish(batch: OutreachBatch, values: dict[str, Any]) -> None:
    """Store the result of the check, unless the batch was cancelled in the meantime, and commit."""
    db.session.refresh(batch, with_for_update={"key_share": True})
    if batch.status != OutreachBatchStatus.CHECKING:
        db.session.rollback()
        return
    for name, value in values.items():
        setattr(batch, name, value)
    db.session.commit()


def _report(batch_id: int, done: int) -> None:
    """Store the progress at once, so that everybody sees it. Raises _Stopped when the batch was cancelled."""
    values = update(OutreachBatch).where(OutreachBatch.id == batch_id).values(rows_done=done)
    with db.engine.begin() as connection:
        status = connection.scalar(values.returning(OutreachBatch.status))
    if status != OutreachBatchStatus.CHECKING:
        raise _Stopped


def _fill(batch: OutreachBatch, hits: list[int], of_b: list[int]) -> None:
    columns = ["batch_id", "version_id", "channel", "hit_id", "lead_id", "id_hash", "phone_index"]
    version: Any = literal(batch.version_id)
    if of_b:
        version = case((Hit.id == func.any(of_b), batch.version_b_id), else_=batch.version_id)
    rows = (
        select(
            literal(batch.id),
            version,
            literal(batch.channel),
            Hit.id,
            Lead.id,
            Lead.id_hash,
            Lead.phone_index,
        )
        .join(Lead, Lead.id == Hit.lead_id)
        .where(Hit.id == func.any(hits))
        .order_by(Hit.id)
    )
    db.session.execute(insert(Outreach).from_select(columns, rows))


def _judged(batch: OutreachBatch, terms: Terms, first: int, last: int) -> CTE:
    """Select the id and first reason of each queued row in a range of hits.

    Contact hours are ignored, because a confirmed batch waits for them.
    """
    held = compliance.reasons(terms, ignore=["hours"])
    query = (
        select(Outreach.id, held[1].label("reason"))
        .join(Hit, Hit.id == Outreach.hit_id)
        .join(Lead, Lead.id == Outreach.lead_id)
        .where(_queued(batch), Outreach.hit_id.between(first, last))
    )
    return query.cte("judged")


def _twice(batch: OutreachBatch) -> CTE:
    """Select the queued rows whose person is queued with a better hit in the same batch."""
    best = (Hit.grade, Hit.score.desc(), Outreach.id)
    places = [
        func.row_number().over(partition_by=column, order_by=best).label(name)
        for name, column in (("phone", Outreach.phone_index), ("person", Outreach.id_hash))
    ]
    ranked = (
        select(Outreach.id, *places).join(Hit, Hit.id == Outreach.hit_id).where(_queued(batch)).cte("ranked")
    )
    again = or_(ranked.c.phone > 1, ranked.c.person > 1)
    return select(ranked.c.id, literal("twice").label("reason")).where(again).cte("judged")


def _texts(batch: OutreachBatch) -> list[OutreachTemplateVersion]:
    return [batch.version, *([batch.version_b] if batch.version_b else [])]


def _leads(batch: OutreachBatch) -> Sequence[int]:
    """Return the customers to whom the batch would go, none when no text names a fact."""
    if not any(text_facts.named(each.body) for each in _texts(batch)):
        return []
    return db.session.scalars(select(Outreach.lead_id).where(_queued(batch))).all()


def _hold_unknown(batch: OutreachBatch, terms: Terms) -> Told:
    """Hold back the queued rows whose text names a fact that isn't known of the customer.

    Return what the texts say of the customers.
    """
    leads = _leads(batch)
    told = text_facts.tell((each.body for each in _texts(batch)), leads, terms.local.date())
    for version in _texts(batch) if leads else ():
        unknown = [lead for lead in leads if text_facts.lacks(version.body, told.get(lead, {}))]
        query = select(Outreach.id, literal("fact").label("reason"))
        own = query.where(_queued(batch), Outreach.version_id == version.id)
        _hold(own.where(Outreach.lead_id == func.any(unknown)).cte("judged"), terms)
    return told


def _queued(batch: OutreachBatch) -> Any:
    return and_(Outreach.batch_id == batch.id, Outreach.status == OutreachStatus.QUEUED)


def _hold(judged: CTE, terms: Terms) -> None:
    """Hold back or drop the rows that have a reason."""
    dropped = judged.c.reason.in_(DROPPED)
    db.session.execute(
        update(Outreach)
        .where(Outreach.id == judged.c.id, judged.c.reason.is_not(None))
        .values(
            status=case((dropped, OutreachStatus.DROPPED.value), else_=OutreachStatus.HELD.value),
            reason=judged.c.reason,
            at=clock.BEGAN,
        ),
        execution_options={"synchronize_session": False},
    )


def _plan(batch: OutreachBatch, terms: Terms, told: Told) -> dict[str, dict[str, Any]]:
    """Return by text the number of rows, their segments and the cost in yuan, from the rendered texts."""
    price = cost.price(terms.settings, batch.channel)
    plan = {}
    for version in _texts(batch):
        go, segments = _length_of(batch, version, terms, told)
        plan[str(version.id)] = {"go": go, "segments": segments, "cost": str(Decimal(segments) * price)}
    return plan


def _length_of(
    batch: OutreachBatch, version: OutreachTemplateVersion, terms: Terms, told: Told
) -> tuple[int, int]:
    """Return the number of rows with a text and the total of their segments (or calls)."""
    # Customers of one name and branch read the same, unless the text says what is known of them.
    lead = Lead.id if text_facts.named(version.body) else literal(0)
    query = (
        select(lead, Lead.name, Branch.name, func.count())
        .select_from(Outreach)
        .join(Lead, Lead.id == Outreach.lead_id)
        .outerjoin(Branch, Branch.id == Lead.branch_id)
        .where(_queued(batch), Outreach.version_id == version.id)
        .group_by(lead, Lead.name, Branch.name)
    )
    go = segments = 0
    for key, name, branch, n in db.session.execute(query.execution_options(yield_per=5000)).tuples():
        values = {**templates.values(name, branch or "", terms.local.date()), **told.get(key, {})}
        text = templates.render(version.body, values, terms.channel, terms.settings.opt_out_sentence)
        go += n
        segments += n * cost.segments(terms.channel, text)
    return go, segments
