"""Sending: the rows of running batches are judged again and handed to their gateway.

A row is reserved in one transaction, under a lock of the person, before anything is sent. From then on it
counts against the person's caps, unless the gateway says that it was not accepted. A row whose worker died,
or whose gateway gave no clear answer, is sent again only when the gateway says it has never seen it.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask, current_app
from sqlalchemy import and_, func, inspect, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from app.errors import DomainError
from app.extensions import db
from app.jobs.leases import RELEASED, LeasedRows, next_attempt_at
from app.jobs.locks import Lock
from app.leads.errors import LeadsError
from app.leads.phone import PhoneVault
from app.lib import clock
from app.models import Hit, Lead, Outreach, OutreachBatch, OutreachBatchStatus, OutreachStatus
from app.outreach import (
    batches,
    compliance,
    cost,
    gateways,
    guard,
    hit_steps,
    preflight,
    start_time,
    templates,
    text_facts,
)
from app.outreach.compliance import DROPPED, Terms
from app.outreach.gateway import Answer, Contact, Receipt
from app.outreach.text_facts import Told

CHUNK, THREADS = 50, 8
CONTACTS = LeasedRows(
    Outreach,
    waiting=OutreachStatus.QUEUED,
    working=OutreachStatus.SENDING,
    abandoned=OutreachStatus.UNKNOWN,
    seconds=300,
)
#: waits before the gateway is asked about an unclear answer, up to MAX_ASKS times
ASK_AFTER = tuple(dt.timedelta(seconds=each) for each in (20, 60, 300, 1800, 7200))
MAX_ASKS = 40
#: waits before a contact is sent again to a gateway that was busy or never saw it
RETRY_AFTER = tuple(dt.timedelta(seconds=each) for each in (5, 30, 120, 600, 1800))
#: the wait of a batch at a moment that the database refuses although the worker takes it for an open one
REFUSED_AGAIN = dt.timedelta(minutes=1)
#: a contact that the gateway did not accept costs nothing
FREE: dict[str, Any] = {"segments": None, "cost": None}

log = logging.getLogger(__name__)


def work() -> int:
    """Send all contacts that are due, committing as it goes. Return the number of rows handled.

    Batches take turns, so that one contact does not wait behind a hundred thousand.
    """
    total = resolve()
    while True:
        handled = sum(_turn(batch_id, clock.now()) for batch_id in _running(clock.now()))
        total += handled
        if not handled:
            return total


def due(now: dt.datetime) -> bool:
    """Whether there is work for a worker."""
    asks = select(Outreach.id).where(or_(_unclear(now), CONTACTS.expired())).limit(1)
    return bool(_running(now)) or db.session.scalar(asks) is not None


def _running(now: dt.datetime) -> Sequence[int]:
    ready = or_(OutreachBatch.not_before.is_(None), OutreachBatch.not_before <= now)
    query = select(OutreachBatch.id).where(OutreachBatch.status == OutreachBatchStatus.RUNNING, ready)
    return db.session.scalars(query.order_by(OutreachBatch.id)).all()


def _turn(batch_id: int, now: dt.datetime) -> int:
    """Handle one chunk of a batch and commit. Return the number of rows handled."""
    batch = db.session.get_one(OutreachBatch, batch_id, populate_existing=True)
    try:
        terms = preflight.terms_of(batch, now)
    except DomainError:
        return _end(batch, "sender")
    if not terms.is_open():
        return _wait_for_hours(batch, terms)
    gateway = gateways.current(batch.channel)
    until = gateway.closed_until(now)
    if until is not None:
        return _wait(batch, until, "gateway")
    try:
        rows, handled, told = _reserve(batch_id, terms)
    except IntegrityError as error:
        refused = guard.refusal(error)
        if refused is None:
            raise
        db.session.rollback()
        return _put_back(batch, refused, terms)
    if not handled:
        _finish(batch_id)
        return 0
    if rows:
        _hand_over(batch, rows, gateway, terms, told)
    return handled


def _wait_for_hours(batch: OutreachBatch, terms: Terms) -> int:
    opens = compliance.next_open(terms.settings, terms.calendar, terms.local)
    if start_time.outlasts_wait(batch, opens):
        return _end(batch, "hours")
    return _wait(batch, opens, start_time.HOURS)


def _put_back(batch: OutreachBatch, refused: guard.Refusal, terms: Terms) -> int:
    """Hold back a contact that the database refused, or let its batch wait, and commit."""
    log.warning("contact %s was refused by the database: %s", refused.contact, refused.reason)
    if refused.reason in guard.OF_THE_MOMENT:
        opens = compliance.next_open(terms.settings, terms.calendar, terms.local)
        return _wait(batch, max(opens, terms.now + REFUSED_AGAIN), start_time.HOURS)
    row = db.session.get_one(Outreach, refused.contact, with_for_update=True)
    if row.status == CONTACTS.waiting:
        row.status, row.reason, row.at = OutreachStatus.HELD, refused.reason, terms.now
    db.session.commit()
    return 1


def _wait(batch: OutreachBatch, until: dt.datetime, reason: str) -> int:
    batch.not_before, batch.waits_for = until, reason
    db.session.commit()
    return 0


def _end(batch: OutreachBatch, reason: str) -> int:
    batches.drop_rest(batch, reason)
    batch.status = OutreachBatchStatus.DONE
    db.session.commit()
    return 0


def _finish(batch_id: int) -> None:
    """End a batch when none of its rows can still be sent."""
    until = func.coalesce(Outreach.lease_until, Outreach.next_at)
    going = select(until).where(
        Outreach.batch_id == batch_id, Outreach.status.in_((CONTACTS.waiting, CONTACTS.working))
    )
    later = db.session.execute(going.order_by(until).limit(1)).first()
    batch = db.session.get_one(OutreachBatch, batch_id, with_for_update=True, populate_existing=True)
    if batch.status == OutreachBatchStatus.RUNNING:
        if later is None:
            batch.status, batch.finished_at = OutreachBatchStatus.DONE, clock.now()
            batch.not_before, batch.waits_for = None, ""
            cost.settle(batch)
        else:
            batch.not_before, batch.waits_for = later[0] or clock.now() + dt.timedelta(seconds=5), "gateway"
    db.session.commit()


def _reserve(batch_id: int, terms: Terms) -> tuple[list[Outreach], int, Told]:
    """Judge the next rows of a batch, reserve those that may be sent, and commit.

    Return the reserved rows, the number of rows judged, and what their texts say of facts.
    """
    running = select(OutreachBatch.id).where(
        OutreachBatch.id == batch_id, OutreachBatch.status == OutreachBatchStatus.RUNNING
    )
    # Pausing and cancelling wait for this lock, so that nothing is reserved after them.
    if db.session.scalar(running.with_for_update(read=True)) is None:
        db.session.rollback()
        return [], 0, {}
    rows = _claim(batch_id, terms.now)
    _lock_people(rows)
    judged = _judge(rows, terms)
    told = text_facts.tell(
        (row.version.body for row in rows), [row.lead_id for row in rows], terms.local.date()
    )
    going, seen, now = [], set[str](), clock.now()
    for row in rows:
        reason = judged.get(row.id, ["deleted"])[:1]
        if not reason and seen & {row.phone_index, row.id_hash}:
            reason = ["twice"]
        if not reason and text_facts.lacks(row.version.body, told.get(row.lead_id, {})):
            reason = ["fact"]
        if reason:
            status = OutreachStatus.DROPPED if reason[0] in DROPPED else OutreachStatus.HELD
            row.status, row.reason, row.at = status, reason[0], terms.now
        else:
            row.status, row.at = OutreachStatus.SENDING, terms.now
            row.lease_owner, row.lease_until, row.next_at = uuid.uuid4().hex, CONTACTS.lease_end(), now
            row.attempts += 1
            seen |= {row.phone_index, row.id_hash}
            going.append(row)
    _charge(going, terms, told)
    db.session.commit()
    return going, len(rows), told


def _claim(batch_id: int, now: dt.datetime) -> list[Outreach]:
    query = (
        select(Outreach)
        .where(
            Outreach.batch_id == batch_id,
            or_(CONTACTS.due(now), and_(Outreach.status == CONTACTS.waiting, Outreach.next_at.is_(None))),
        )
        .order_by(Outreach.id)
        .limit(CHUNK)
        .with_for_update(skip_locked=True)
    )
    return list(db.session.scalars(query))


def _lock_people(rows: Sequence[Outreach]) -> None:
    """Lock the people of the rows, always in the same order, so that transactions can't deadlock.

    Those are whom the database locks for each row (guard.sql), and whom it was checked for.
    """
    present = select(Lead.phone_index, Lead.id_hash).where(Lead.id.in_({row.lead_id for row in rows}))
    keys = {key for row in rows for key in (row.phone_index, row.id_hash)}
    keys |= {key for pair in db.session.execute(present) for key in pair}
    db.session.execute(
        text(
            "SELECT pg_advisory_xact_lock(:kind, k) FROM ("
            " SELECT DISTINCT hashtext(p) AS k FROM unnest(cast(:keys AS text[])) p ORDER BY 1) ordered"
        ),
        {"kind": int(Lock.OUTREACH_PERSON), "keys": sorted(keys)},
    )


def _judge(rows: Sequence[Outreach], terms: Terms) -> dict[int, list[str]]:
    query = (
        select(Outreach.id, compliance.reasons(terms))
        .outerjoin(Hit, Hit.id == Outreach.hit_id)
        .join(Lead, Lead.id == Outreach.lead_id)
        .where(Outreach.id.in_([row.id for row in rows]))
    )
    return {key: list(found) for key, found in db.session.execute(query).tuples()}


def _charge(rows: Sequence[Outreach], terms: Terms, told: Told) -> None:
    """Store the cost of each row before it is sent, so that no later price or lost worker changes it."""
    price = cost.price(terms.settings, terms.channel)
    query = select(Lead).where(Lead.id.in_([row.lead_id for row in rows])).options(joinedload(Lead.branch))
    leads = {lead.id: lead for lead in db.session.scalars(query)}
    for row in rows:
        try:
            row.segments = cost.segments(row.channel, _text(row, leads[row.lead_id], terms, told))
        except DomainError:
            continue  # There is no text for this customer, so handing it over will fail.
        row.cost = price * row.segments


def _hand_over(
    batch: OutreachBatch, rows: list[Outreach], gateway: gateways.Current, terms: Terms, told: Told
) -> None:
    leads = _reload(rows)
    contacts = {row.id: _contact(row, leads[row.lead_id], terms, told) for row in rows}
    sendable = [contact for contact in contacts.values() if isinstance(contact, Contact)]
    first, reserved = gateway.reserve(len(sendable)), time.monotonic()
    spacing = 1 / gateway.gateway.per_second if gateway.gateway.per_second else 0.0
    db.session.commit()
    _reload(rows)
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    owners, claimed = {row.id: str(row.lease_owner) for row in rows}, time.monotonic()

    def send(place: int) -> Answer | None:
        """Return the gateway's answer, None when another worker has taken over the contact."""
        contact = sendable[place]
        with app.app_context():
            time.sleep(max(0.0, first + place * spacing - (time.monotonic() - reserved)))
            if not CONTACTS.still_held(db.engine, contact.outreach_id, owners[contact.outreach_id], claimed):
                return None
            return gateway.gateway.send(contact, clock.now())

    with ThreadPoolExecutor(THREADS) as pool:
        answers = dict(
            zip((c.outreach_id for c in sendable), pool.map(send, range(len(sendable))), strict=True)
        )
    now = clock.now()
    for row in rows:
        contact = contacts[row.id]
        answer = answers[row.id] if isinstance(contact, Contact) else contact
        if answer is not None:
            _record(row, answer, gateway, now)
    # A batch that was cancelled in the meantime was settled without the answers.
    db.session.refresh(batch)
    cost.settle(batch)
    db.session.commit()


def _reload(rows: Sequence[Outreach]) -> dict[int, Lead]:
    """Read the rows with their texts again, all at once, after a commit. Return their leads by key."""
    texts = select(Outreach).where(Outreach.id.in_([inspect(row).identity[0] for row in rows]))
    texts = texts.options(joinedload(Outreach.version)).execution_options(populate_existing=True)
    found = db.session.scalars(texts).all()
    leads = select(Lead).where(Lead.id.in_([row.lead_id for row in found])).options(joinedload(Lead.branch))
    read = db.session.scalars(leads.execution_options(populate_existing=True))
    return {lead.id: lead for lead in read}


def _contact(row: Outreach, lead: Lead, terms: Terms, told: Told) -> Contact | Answer:
    """Return the contact to hand over, or a rejection when there can be none."""
    try:
        phone = PhoneVault.of(current_app.config["SETTINGS"]).decrypt(lead.phone_cipher)
        text = _text(row, lead, terms, told)
    except (LeadsError, DomainError) as error:
        return Answer(Receipt.REJECTED, note=error.said)
    return Contact(row.id, row.key, row.channel, phone, lead.phone_masked, text)


def _text(row: Outreach, lead: Lead, terms: Terms, told: Told) -> str:
    values = {**templates.values_of(lead, terms.local.date()), **told.get(lead.id, {})}
    return templates.render(row.version.body, values, row.channel, terms.settings.opt_out_sentence)


def _record(row: Outreach, answer: Answer, gateway: gateways.Current, now: dt.datetime) -> None:
    """Record the gateway's answer, if this worker still holds the row. Does not commit."""
    failed = answer.receipt in (Receipt.BUSY, Receipt.UNKNOWN)
    gateway.report(not failed, answer.note, now)
    values = _after(row, answer, now)
    updated = db.session.execute(
        update(Outreach)
        .where(CONTACTS.held_by(row.id, str(row.lease_owner)))
        .values(at=now, note=answer.note, **RELEASED, **values),
        execution_options={"synchronize_session": False},
    )
    if updated.rowcount and answer.receipt is Receipt.ACCEPTED:  # type: ignore[attr-defined]
        hit_steps.contacted(row.hit_id)


def _after(row: Outreach, answer: Answer, now: dt.datetime) -> dict[str, Any]:
    """Return the new column values of a row after its gateway's answer."""
    if answer.receipt is Receipt.ACCEPTED:
        return {
            "status": OutreachStatus.SENT,
            "sent_at": now,
            "next_at": None,
            "gateway_ref": answer.ref[:128],
        }
    if answer.receipt is Receipt.UNKNOWN:
        return {"status": OutreachStatus.UNKNOWN, "next_at": now + ASK_AFTER[0]}
    if answer.receipt is Receipt.REJECTED:
        return _failed("gateway")
    return _retry_or_fail(row, now, "gateway")


def _failed(reason: str) -> dict[str, Any]:
    return FREE | {"status": OutreachStatus.FAILED, "reason": reason, "next_at": None}


def _retry_or_fail(row: Outreach, now: dt.datetime, reason: str) -> dict[str, Any]:
    """Return the new column values of a row to retry, or to fail after GATEWAY_TRIES attempts."""
    next_at = next_attempt_at(
        row.attempts, RETRY_AFTER, now, most=current_app.config["SETTINGS"].gateway_tries
    )
    if next_at is None:
        return _failed(reason)
    return FREE | {"status": OutreachStatus.QUEUED, "reserved_at": None, "next_at": next_at}


def _unclear(now: dt.datetime) -> Any:
    return and_(Outreach.status == OutreachStatus.UNKNOWN, Outreach.next_at <= now)


def resolve() -> int:
    """Ask gateways about rows without a clear answer that are due, committing each. Return their number."""
    moment, asked = clock.now(), 0
    CONTACTS.reclaim(db.engine)
    while True:
        query = select(Outreach).where(_unclear(moment)).order_by(Outreach.next_at).limit(1)
        row = db.session.scalar(query.with_for_update(skip_locked=True))
        if row is None:
            db.session.rollback()
            return asked
        _ask(row, moment)
        db.session.commit()
        asked += 1


def _ask(row: Outreach, now: dt.datetime) -> None:
    # The row stays locked until then, so that nobody else asks about it or changes it.
    answer = gateways.current(row.channel).gateway.ask(row.key, row.channel)
    row.at, row.note = now, answer.note
    if answer.receipt is Receipt.ACCEPTED:
        row.status, row.sent_at, row.next_at, row.gateway_ref = (
            OutreachStatus.SENT,
            now,
            None,
            answer.ref[:128],
        )
        hit_steps.contacted(row.hit_id)
    elif answer.receipt is Receipt.REJECTED:
        _write(row, _failed("gateway"))
    elif answer.receipt is Receipt.ABSENT:
        _requeue(row, now)
    else:
        row.status = OutreachStatus.UNKNOWN
        row.attempts += 1
        row.next_at = next_attempt_at(row.attempts, ASK_AFTER, now, most=MAX_ASKS + 1)


def _write(row: Outreach, values: dict[str, Any]) -> None:
    """Store column values of a row that was not sent, and the cost of its batch without it."""
    for name, value in values.items():
        setattr(row, name, value)
    db.session.flush()
    cost.settle(row.batch)


def _requeue(row: Outreach, now: dt.datetime) -> None:
    """Queue a row that the gateway never saw again with the same key, if its batch and attempts allow."""
    if row.batch.status in batches.OPEN or row.batch.status == OutreachBatchStatus.DONE:
        _write(row, _retry_or_fail(row, now, "unseen"))
        if row.status == OutreachStatus.FAILED:
            return
        if row.batch.status == OutreachBatchStatus.DONE:
            row.batch.status, row.batch.finished_at = OutreachBatchStatus.RUNNING, None
            row.batch.spent = None
        row.batch.not_before, row.batch.waits_for = None, ""
    else:
        _write(row, _failed("cancelled") | {"status": OutreachStatus.DROPPED, "reserved_at": None})
