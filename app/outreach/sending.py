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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

from flask import Flask, current_app
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    Numeric,
    String,
    and_,
    cast,
    func,
    or_,
    select,
    text,
    update,
)
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

#: contacts of a batch that are handled at once, more for a gateway that takes more, and threads that send
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
        going, handled = _reserve(batch_id, terms, max(CHUNK, gateway.gateway.at_once))
    except IntegrityError as error:
        refused = guard.refusal(error)
        if refused is None:
            raise
        db.session.rollback()
        return _put_back(batch, refused, terms)
    if not handled:
        _finish(batch_id)
        return 0
    if going:
        _hand_over(batch, going, gateway)
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


class _Going(NamedTuple):
    """A reserved contact, or the refusal of one that can't be put together."""

    id: int
    hit_id: int | None
    attempts: int
    contact: Contact | Answer
    segments: int | None
    cost: Decimal | None


class _Reserved(NamedTuple):
    """Contacts that one worker holds since a time by time.monotonic()."""

    owner: str
    rows: list[_Going]
    since: float


def _reserve(batch_id: int, terms: Terms, most: int) -> tuple[_Reserved | None, int]:
    """Judge the next rows of a batch, reserve those that may be sent, and commit.

    Return the reserved ones and the number of rows judged.
    """
    running = select(OutreachBatch.id).where(
        OutreachBatch.id == batch_id, OutreachBatch.status == OutreachBatchStatus.RUNNING
    )
    # Pausing and cancelling wait for this lock, so that nothing is reserved after them.
    if db.session.scalar(running.with_for_update(read=True)) is None:
        db.session.rollback()
        return None, 0
    rows = _claim(batch_id, terms.now, most)
    _lock_people(rows)
    judged = _judge(rows, terms)
    told = text_facts.tell(
        (row.version.body for row in rows), [row.lead_id for row in rows], terms.local.date()
    )
    going, seen = [], set[str]()
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
            seen |= {row.phone_index, row.id_hash}
            going.append(row)
    reserved = _Reserved(uuid.uuid4().hex, _put_together(going, terms, told), time.monotonic())
    db.session.flush()
    if going:
        _go(reserved, terms)
    db.session.commit()
    return reserved if going else None, len(rows)


def _claim(batch_id: int, now: dt.datetime, most: int) -> list[Outreach]:
    query = (
        select(Outreach)
        .where(
            Outreach.batch_id == batch_id,
            or_(CONTACTS.due(now), and_(Outreach.status == CONTACTS.waiting, Outreach.next_at.is_(None))),
        )
        .order_by(Outreach.id)
        .limit(most)
        .options(joinedload(Outreach.version, innerjoin=True))
        .with_for_update(skip_locked=True, of=Outreach)
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(query))


def _put_together(rows: Sequence[Outreach], terms: Terms, told: Told) -> list[_Going]:
    """Return what is handed over of each row, and what it costs.

    The cost is stored before anything is sent, so that no later price or lost worker changes it. That of a
    contact without a text is open: handing it over will fail.
    """
    price = cost.price(terms.settings, terms.channel)
    query = select(Lead).where(Lead.id.in_([row.lead_id for row in rows])).options(joinedload(Lead.branch))
    leads = {lead.id: lead for lead in db.session.scalars(query)}
    going = []
    for row in rows:
        contact = _contact(row, leads[row.lead_id], terms, told)
        segments = cost.segments(row.channel, contact.text) if isinstance(contact, Contact) else None
        spent = None if segments is None else price * segments
        going.append(_Going(row.id, row.hit_id, row.attempts + 1, contact, segments, spent))
    return going


def _go(reserved: _Reserved, terms: Terms) -> None:
    """Let the contacts go to sending, which the database may refuse for one of them."""
    rows = reserved.rows
    given = (
        func.unnest(
            *(
                cast([getattr(row, name) for row in rows], ARRAY(kind))
                for name, kind in (("id", BigInteger), ("segments", Integer), ("cost", Numeric))
            )
        )
        .table_valued("id", "segments", "cost")
        .render_derived(name="given")
    )
    values = {
        "status": CONTACTS.working,
        "at": terms.now,
        "lease_owner": reserved.owner,
        "lease_until": CONTACTS.lease_end(),
        "next_at": clock.now(),
        "attempts": Outreach.attempts + 1,
        "segments": given.c.segments,
        "cost": given.c.cost,
    }
    db.session.execute(
        update(Outreach).where(Outreach.id == given.c.id).values(values),
        execution_options={"synchronize_session": False},
    )


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


def _hand_over(batch: OutreachBatch, reserved: _Reserved, gateway: gateways.Current) -> None:
    """Send the reserved contacts, record the gateway's answers, and commit."""
    batch_id = batch.id
    sendable = [row.contact for row in reserved.rows if isinstance(row.contact, Contact)]
    first, begun = gateway.reserve(len(sendable)), time.monotonic()
    at_once = gateway.gateway.at_once
    spacing = 1 / gateway.gateway.per_second if gateway.gateway.per_second else 0.0
    db.session.commit()
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def send(start: int) -> list[tuple[int, Answer]]:
        """Return the gateway's answers, without contacts that another worker has taken over."""
        with app.app_context():
            time.sleep(max(0.0, first + start * spacing - (time.monotonic() - begun)))
            held = [
                each
                for each in sendable[start : start + at_once]
                if CONTACTS.still_held(db.engine, each.outreach_id, reserved.owner, reserved.since)
            ]
            answers = gateway.gateway.send(held, clock.now()) if held else []
            return [(each.outreach_id, answer) for each, answer in zip(held, answers, strict=True)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = dict(chain.from_iterable(pool.map(send, range(0, len(sendable), at_once))))
    answers |= {row.id: row.contact for row in reserved.rows if isinstance(row.contact, Answer)}
    _record(reserved, answers, gateway)
    # A batch that was cancelled in the meantime was settled without the answers.
    cost.settle(db.session.get_one(OutreachBatch, batch_id, populate_existing=True))
    db.session.commit()


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


def _record(reserved: _Reserved, answers: Mapping[int, Answer], gateway: gateways.Current) -> None:
    """Record the gateway's answers to contacts that this worker still holds. Does not commit."""
    now = clock.now()
    rows = [(row, answers[row.id]) for row in reserved.rows if row.id in answers]
    failures = [answer for _row, answer in rows if answer.receipt in (Receipt.BUSY, Receipt.UNKNOWN)]
    if len(failures) < len(rows):
        gateway.report(True, None, now)
    for answer in failures:
        gateway.report(False, answer.note, now)
    accepted = [(row.id, answer) for row, answer in rows if answer.receipt is Receipt.ACCEPTED]
    hits = _record_accepted(accepted, reserved.owner, now) if accepted else []
    for row, answer in rows:
        if answer.receipt is not Receipt.ACCEPTED:
            db.session.execute(
                update(Outreach)
                .where(CONTACTS.held_by(row.id, reserved.owner))
                .values(at=now, note=answer.note, **RELEASED, **_after(row.attempts, answer, now)),
                execution_options={"synchronize_session": False},
            )
    for hit_id in hit_steps.waiting(hits):
        hit_steps.contacted(hit_id)


def _record_accepted(accepted: Sequence[tuple[int, Answer]], owner: str, now: dt.datetime) -> list[int]:
    """Record accepted contacts. Return the keys of the hits that they were about."""
    ids = cast([key for key, _answer in accepted], ARRAY(BigInteger))
    refs = cast([answer.ref[:128] for _key, answer in accepted], ARRAY(String))
    given = func.unnest(ids, refs).table_valued("id", "ref").render_derived(name="given")
    values = {"status": OutreachStatus.SENT, "at": now, "sent_at": now, "next_at": None, "note": None}
    recorded = (
        update(Outreach)
        .where(CONTACTS.held_by(given.c.id, owner))
        .values({**values, **RELEASED, "gateway_ref": given.c.ref})
        .returning(Outreach.hit_id)
    )
    found = db.session.scalars(recorded, execution_options={"synchronize_session": False})
    return [hit_id for hit_id in found if hit_id is not None]


def _after(attempts: int, answer: Answer, now: dt.datetime) -> dict[str, Any]:
    """Return the new column values of a row that the gateway did not accept at once."""
    if answer.receipt is Receipt.UNKNOWN:
        return {"status": OutreachStatus.UNKNOWN, "next_at": now + ASK_AFTER[0]}
    if answer.receipt is Receipt.REJECTED:
        return _failed("gateway")
    return _retry_or_fail(attempts, now, "gateway")


def _failed(reason: str) -> dict[str, Any]:
    return FREE | {"status": OutreachStatus.FAILED, "reason": reason, "next_at": None}


def _retry_or_fail(attempts: int, now: dt.datetime, reason: str) -> dict[str, Any]:
    """Return the new column values of a row to retry, or to fail after GATEWAY_TRIES attempts."""
    next_at = next_attempt_at(attempts, RETRY_AFTER, now, most=current_app.config["SETTINGS"].gateway_tries)
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
        _write(row, _retry_or_fail(row.attempts, now, "unseen"))
        if row.status == OutreachStatus.FAILED:
            return
        if row.batch.status == OutreachBatchStatus.DONE:
            row.batch.status, row.batch.finished_at = OutreachBatchStatus.RUNNING, None
            row.batch.spent = None
        row.batch.not_before, row.batch.waits_for = None, ""
    else:
        _write(row, _failed("cancelled") | {"status": OutreachStatus.DROPPED, "reserved_at": None})
