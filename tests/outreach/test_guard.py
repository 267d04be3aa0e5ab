"""The database refuses contacts at forbidden moments, whoever writes them, by the rules that Python reads."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import doctor
from app.extensions import db
from app.models import (
    ContactResult,
    Hit,
    HitEvent,
    Holiday,
    Lead,
    Outreach,
    OutreachBatch,
    Staff,
    Suppression,
)
from app.outreach import compliance, guard, sending
from app.outreach.compliance import Terms
from app.outreach.settings import OutreachSettings
from app.schedules.calendar import Calendar, DayKind
from tests.clock import ZONE
from tests.conftest import Person
from tests.database import libpq
from tests.outreach.conftest import Bank
from tests.thorough import examples

SetClock = Callable[[dt.datetime | None], None]
#: a Wednesday that is no holiday, and the first of January, which is one
DAY, NEW_YEAR = dt.date(2026, 11, 18), dt.date(2026, 1, 1)
OFFICE = {"open_from": "09:00", "open_to": "20:00", "skip_holidays": True}


def at(day: dt.date, hour: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.fromisoformat(hour), ZONE)


@pytest.fixture
def queued(bank: Bank, login: Callable[..., Person]) -> tuple[int, int]:
    """Return the ids of a queued contact and of its hit, of a confirmed batch of calls."""
    login("Manager", username="chen")
    batch = bank.make(bank.people(1), "chen", "call")
    return (
        bank.session.execute(select(Outreach.id, Outreach.hit_id).where(Outreach.batch_id == batch))
        .one()
        ._tuple()
    )


def send(session: Session, contact: int, **also: Any) -> str:
    """Write the transition by SQL. Return the reasons of its refusal, empty when it passes."""
    columns = "".join(f", {name} = :{name}" for name in also)
    statement = text(f"UPDATE outreach SET status = 'sending'{columns} WHERE id = :id")
    try:
        session.execute(statement, {"id": contact, **also})
    except IntegrityError as error:
        session.rollback()
        found = guard.refusal(error)
        assert found is None or found.contact == contact
        return found.reason if found else str(error.orig)
    session.commit()
    return ""


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (at(DAY, "08:59:59"), "hours"),
        (at(DAY, "09:00"), ""),
        (at(DAY, "19:59"), ""),
        (at(DAY, "20:00"), "hours"),
        (at(NEW_YEAR, "12:00"), "hours"),
        (at(dt.date(2099, 6, 1), "12:00"), "calendar"),
    ],
)
def test_a_forbidden_moment(
    bank: Bank, queued: tuple[int, int], set_clock: SetClock, moment: dt.datetime, reason: str
) -> None:
    bank.rules(**OFFICE)
    set_clock(moment)
    assert send(bank.session, queued[0]) == reason
    stored = bank.session.get_one(Outreach, queued[0], populate_existing=True)
    if reason:
        assert (stored.status, stored.reserved_at) == ("queued", None)
    else:
        assert stored.reserved_at is not None
        assert moment <= stored.reserved_at < moment + dt.timedelta(hours=1)


def test_the_bank_s_own_days_and_a_chosen_start(
    bank: Bank, queued: tuple[int, int], set_clock: SetClock
) -> None:
    contact, _hit = queued
    bank.rules(**OFFICE)
    bank.session.add(Holiday(date=DAY, kind="holiday", name="行庆", updated_by="x"))
    bank.session.add(Holiday(date=NEW_YEAR, kind="workday", name="加班", updated_by="x"))
    bank.session.commit()
    set_clock(at(DAY, "12:00"))
    assert send(bank.session, contact) == "hours"
    set_clock(at(NEW_YEAR, "12:00"))
    starts = bank.session.get_one(Outreach, contact).batch_id
    bank.set(OutreachBatch, starts, send_at=at(NEW_YEAR, "18:00"))
    assert send(bank.session, contact) == "start"
    bank.set(OutreachBatch, starts, send_at=at(NEW_YEAR, "11:59"))
    assert send(bank.session, contact) == ""


@pytest.mark.parametrize("how", ["person", "phone", "mark"])
def test_somebody_opted_out(bank: Bank, queued: tuple[int, int], how: str) -> None:
    contact, hit = queued
    lead = bank.lead_of(hit)
    if how == "mark":
        bank.set(Lead, lead.id, opted_out=True)
    else:
        named = {"id_hash": lead.id_hash} if how == "person" else {"phone_index": lead.phone_index}
        bank.session.add(Suppression(shown="x", reason="x", created_by="x", **named))
        bank.session.commit()
    assert send(bank.session, contact) == "opted_out"


def test_caps_hold_in_one_statement_and_for_backdated_moments(
    bank: Bank, login: Callable[..., Person], session: Session
) -> None:
    """Raw SQL for two contacts of one person, with a moment of its own."""
    bank.rules(call_cap=1)
    login("Manager", username="chen")
    hits = bank.people(1)
    first, second = (bank.make(hits, "chen", "call") for _ in range(2))
    both = text(
        "UPDATE outreach SET status = 'sending', reserved_at = '2020-01-01'"
        " WHERE batch_id IN (:first, :second)"
    )
    with pytest.raises(IntegrityError, match="cap_channel"):
        session.execute(both, {"first": first, "second": second})
    session.rollback()
    session.execute(both, {"first": first, "second": 0})
    session.commit()
    for move in ("reserved_at = '2020-01-01'", "reserved_at = NULL", "status = 'sent', reserved_at = NULL"):
        session.execute(text(f"UPDATE outreach SET {move} WHERE batch_id = :id"), {"id": first})
    session.commit()
    assert list(bank.outcomes(first).values()) == [("sent", "")]
    with pytest.raises(IntegrityError, match="was made and stays so"):
        session.execute(text("UPDATE outreach SET status = 'queued' WHERE batch_id = :id"), {"id": first})
    session.rollback()
    with pytest.raises(IntegrityError, match="cap_channel"):
        session.execute(both, {"first": 0, "second": second})


def test_two_transactions_at_once_have_one_cap(
    bank: Bank, app: Flask, login: Callable[..., Person], session: Session
) -> None:
    """The second waits for the first, sees its contact, and is refused; under snapshots neither may."""
    bank.rules(call_cap=1)
    login("Manager", username="chen")
    hits = bank.people(1)
    first, second = (bank.make(hits, "chen", "call") for _ in range(2))
    statement = "UPDATE outreach SET status = 'sending' WHERE batch_id = %s"
    address = libpq(session.get_bind().url)  # type: ignore[union-attr]
    refused: list[str] = []

    def meanwhile() -> None:
        with psycopg.connect(address) as other:
            try:
                other.execute(statement, [second])
            except psycopg.errors.CheckViolation as error:
                refused.append(str(error))

    with psycopg.connect(address) as one:
        one.execute(statement, [first])
        thread = threading.Thread(target=meanwhile)
        thread.start()
        while thread.is_alive() and not waiting(session):
            thread.join(0.01)
        assert not refused
    thread.join()
    assert "cap_channel" in refused[0]
    with psycopg.connect(address) as strict:
        strict.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.errors.CheckViolation, match="READ COMMITTED"):
            strict.execute(statement, [second])


def test_an_opt_out_comes_before_or_after_a_contact_never_within(
    bank: Bank, queued: tuple[int, int], session: Session
) -> None:
    """It waits for a contact under way, and is in force from after it."""
    contact, hit = queued
    address = libpq(session.get_bind().url)  # type: ignore[union-attr]
    target = bank.lead_of(hit).id_hash
    insert = "INSERT INTO suppression (id_hash, shown, reason, created_by) VALUES (%s, 'x', 'x', 'x')"

    def meanwhile() -> None:
        with psycopg.connect(address) as other:
            other.execute(insert, [target])

    with psycopg.connect(address) as one:
        one.execute("SELECT 1")
        thread = threading.Thread(target=meanwhile)
        one.execute("UPDATE outreach SET status = 'sending' WHERE id = %s", [contact])
        thread.start()
        while thread.is_alive() and not waiting(session):
            thread.join(0.01)
    thread.join()
    made = session.execute(
        text(
            "SELECT s.since > o.reserved_at FROM suppression s JOIN outreach o USING (id_hash)"
            " WHERE o.id = :id"
        ),
        {"id": contact},
    )
    assert made.scalars().all() == [True]


def waiting(session: Session) -> bool:
    locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    found = bool(session.scalar(locks))
    session.rollback()
    return found


def test_an_approved_call_back_passes_on_its_day(
    bank: Bank, login: Callable[..., Person], session: Session, set_clock: SetClock
) -> None:
    login("Manager", username="chen")
    bank.rules(**OFFICE)
    set_clock(at(DAY, "21:00"))
    hit, other = bank.people(2)
    step = HitEvent(hit_id=hit, kind="allow_call", from_status="waiting", to_status="waiting", person="chen")
    wrong = HitEvent(hit_id=hit, kind="claim", from_status="waiting", to_status="waiting", person="chen")
    session.add_all([step, wrong])
    session.commit()
    calls, texts = bank.make([hit, other], "chen", "call"), bank.make([hit], "chen")
    rows = select(Outreach.batch_id, Outreach.hit_id, Outreach.id)
    ids = {(batch, of): key for batch, of, key in session.execute(rows).tuples()}
    mine, theirs, sms = ids[calls, hit], ids[calls, other], ids[texts, hit]
    assert send(session, mine) == "hours"
    assert send(session, mine, override_id=wrong.id) == "hours", "another step"
    assert send(session, theirs, override_id=step.id) == "hours", "another customer"
    assert send(session, sms, override_id=step.id) == "hours", "an SMS"
    set_clock(at(DAY + dt.timedelta(days=1), "08:00"))
    assert send(session, mine, override_id=step.id) == "hours", "the next day"
    set_clock(at(DAY, "21:05"))
    bank.set(Lead, bank.lead_of(hit).id, opted_out=True)
    assert send(session, mine, override_id=step.id) == "opted_out"
    bank.set(Lead, bank.lead_of(hit).id, opted_out=False)
    assert send(session, mine, override_id=step.id) == ""


def test_what_the_database_refuses_is_put_back(
    bank: Bank, login: Callable[..., Person], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer opts out after the worker has judged; the others of the batch go."""
    login("Manager", username="chen")
    hits = bank.people(3)
    batch = bank.make(hits, "chen")
    judge = sending._judge

    def and_then_they_opt_out(rows: Any, terms: Any) -> Any:
        found = judge(rows, terms)
        if not session.scalars(select(Suppression).where(Suppression.shown == "late")).all():
            session.add(
                Suppression(id_hash=bank.lead_of(hits[1]).id_hash, shown="late", reason="x", created_by="x")
            )
            session.commit()
        session.rollback()
        return found

    monkeypatch.setattr(sending, "_judge", and_then_they_opt_out)
    bank.send()
    assert bank.outcomes(batch) == {
        hits[0]: ("sent", ""),
        hits[1]: ("held", "opted_out"),
        hits[2]: ("sent", ""),
    }
    assert bank.batch(batch).status == "done"


def test_a_batch_whose_moment_the_database_refuses_waits(
    bank: Bank, login: Callable[..., Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that takes the night for day sends nothing, and its batch goes on in the morning."""
    login("Manager", username="chen")
    bank.rules(**OFFICE)
    batch = bank.make(bank.people(2), "chen")
    bank.set(OutreachBatch, batch, not_before=None, confirmed_at=at(DAY, "15:00"))
    monkeypatch.setattr(Terms, "is_open", lambda self: True)
    bank.send(at(DAY, "21:00"))
    waits = bank.batch(batch)
    assert set(bank.outcomes(batch).values()) == {("queued", "")}
    assert (waits.status, waits.waits_for) == ("running", "hours")
    assert waits.not_before == at(DAY + dt.timedelta(days=1), "09:00")
    bank.send(at(DAY + dt.timedelta(days=1), "09:00"))
    assert set(bank.outcomes(batch).values()) == {("sent", "")}


def test_what_another_system_tells_is_stored_and_marked(
    bank: Bank, queued: tuple[int, int], session: Session
) -> None:
    contact, _hit = queued
    told = at(DAY, "23:10")
    statement = text("UPDATE outreach SET status = 'answered', sent_at = :told WHERE id = :id")
    session.execute(statement, {"told": told, "id": contact})
    session.execute(
        text("UPDATE outreach SET reported_at = NULL, reserved_at = NULL WHERE id = :id"), {"id": contact}
    )
    session.commit()
    row = session.get_one(Outreach, contact)
    assert (row.status, row.reserved_at) == ("answered", told), "it counts towards caps"
    assert row.reported_at is not None
    assert bank.send() == 0, "and nobody sends it"


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE outreach DISABLE TRIGGER contact_guard",
        "DROP TRIGGER contact_rules_change ON suppression",
        "CREATE OR REPLACE FUNCTION contact_closed("
        "rules jsonb, moment timestamp, known timestamptz DEFAULT 'infinity')"
        " RETURNS text LANGUAGE sql STABLE AS 'SELECT NULL::text'",
        "DELETE FROM calendar_day WHERE date > CURRENT_DATE",
    ],
)
def test_the_doctor_sees_that_the_guard_is_away(app: Flask, session: Session, harm: str) -> None:
    def ok() -> bool:
        with app.app_context():
            return doctor.results(app.config["SETTINGS"])["contacts"].ok

    assert ok()
    session.execute(text(harm))
    session.commit()
    try:
        assert not ok()
    finally:
        guard.install(session.connection())
        session.commit()
    assert ok()


# The rules of the database and of Python are compared over random rules, calendars, histories and moments.
TIMES = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 1, 30, 59)]
NEAR = st.dates(dt.date(2025, 12, 20), dt.date(2027, 2, 20))
PEOPLE = st.sampled_from(["same", "phone", "person", "other"])


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    begins, ends = draw(
        st.tuples(st.sampled_from(TIMES), st.sampled_from([*TIMES, "24:00"])).filter(
            lambda each: each[0] < each[1]
        )
    )
    found: dict[str, Any] = {"open_from": begins, "open_to": ends, "skip_holidays": draw(st.booleans())}
    for name in ("sms", "call", "total"):
        found[f"{name}_cap"] = draw(st.none() | st.integers(1, 3))
        found[f"{name}_days"] = draw(st.integers(1, 9))
    kept = draw(st.sets(st.sampled_from(sorted(set(found) - {"open_from", "open_to"})), max_size=3))
    return {name: value for name, value in found.items() if name not in kept}


@st.composite
def past(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "who": draw(PEOPLE),
        "what": draw(st.sampled_from(["sms", "call", "failed", "by_hand", "taken_back", "opt_out"])),
        "ago": dt.timedelta(
            days=draw(st.integers(0, 10)), minutes=draw(st.sampled_from([-1, 0, 1, 600, 1439, 1440, 1441]))
        ),
        "ends": draw(st.sampled_from([None, -1, 0, 1])),
    }


@given(
    values=rules(),
    own=st.dictionaries(NEAR, st.sampled_from(["holiday", "workday"]), max_size=3),
    day=NEAR,
    time=st.sampled_from(TIMES),
    second=st.sampled_from([0, 1, 59]),
    channel=st.sampled_from(["sms", "call"]),
    history=st.lists(past(), max_size=6),
    today_is_own=st.booleans(),
)
@examples(60, 1500)
def test_the_database_judges_as_python_does(
    bank: Bank,
    app: Flask,
    login: Callable[..., Person],
    session: Session,
    *,
    values: dict[str, Any],
    own: dict[dt.date, str],
    day: dt.date,
    time: str,
    second: int,
    channel: str,
    history: list[dict[str, Any]],
    today_is_own: bool,
) -> None:
    hit = bank.ids["hit_home_waiting"]
    other = bank.ids["hit_away_waiting"]
    contact = session.scalars(select(Outreach.id).order_by(Outreach.id)).first() or _contact(bank, login, hit)
    moment = at(day, time).replace(second=second)
    if today_is_own:
        own = {**own, day: "workday" if day.day % 2 else "holiday"}
    connection = session.connection()
    try:
        session.execute(update(Outreach).values(channel=channel))
        session.execute(text("UPDATE outreach_setting SET values = CAST(:v AS jsonb)"), {"v": _json(values)})
        session.execute(delete(Holiday))
        session.add_all(Holiday(date=d, kind=kind, name="x", updated_by="x") for d, kind in own.items())
        lead, stranger = bank_lead(session, hit), bank_lead(session, other)
        for number, each in enumerate(history):
            _happen(session, contact, number, each, moment, (lead, hit), (stranger, other))
        session.flush()
        asked = text("SELECT contact_refusals(:phone, :person, :channel, :moment, :id)")
        told = {"phone": lead.phone_index, "person": lead.id_hash, "channel": channel}
        told |= {"moment": moment, "id": contact}
        by_database = connection.execute(asked, told).scalar_one()
        with app.app_context():
            sender = db.session.scalars(select(Staff).where(Staff.username == "chen")).one()
            calendar = Calendar({d: DayKind(kind) for d, kind in own.items()})
            terms = Terms(channel, OutreachSettings.model_validate(values), sender, moment, calendar)
            criteria = compliance.criteria(terms)
            names = ["opted_out", "cap_channel", "cap_total", "hours"]
            query = (
                select(*(criteria[name] for name in names))
                .select_from(Hit)
                .join(Lead, Lead.id == Hit.lead_id)
            )
            holds = connection.execute(query.where(Hit.id == hit)).one()
        assert by_database == [name for name, held in zip(names, holds, strict=True) if held]
    finally:
        session.rollback()


def _contact(bank: Bank, login: Callable[..., Person], hit: int) -> int:
    login("Manager", username="chen")
    bank.make([hit], "chen", "call")
    return bank.session.scalars(select(Outreach.id).order_by(Outreach.id)).first() or 0


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values)


def bank_lead(session: Session, hit: int) -> Lead:
    return session.get_one(Hit, hit).lead


def _happen(
    session: Session,
    contact: int,
    number: int,
    each: dict[str, Any],
    moment: dt.datetime,
    own: tuple[Lead, int],
    others: tuple[Lead, int],
) -> None:
    """Let a contact, a call by hand or an opt-out of somebody happen before the moment."""
    when, (lead, hit), (_stranger, elsewhere) = moment - each["ago"], own, others
    keys = {
        "phone_index": lead.phone_index if each["who"] in ("same", "phone") else f"p{number}",
        "id_hash": lead.id_hash if each["who"] in ("same", "person") else f"h{number}",
    }
    if each["what"] == "opt_out":
        key = "phone_index" if each["who"] in ("phone", "other") else "id_hash"
        ends = None if each["ends"] is None else moment.date() + dt.timedelta(days=each["ends"])
        entry = Suppression(shown="x", reason="x", created_by="x", expires_on=ends, **{key: keys[key]})
        session.add(entry)
    elif each["what"] in ("by_hand", "taken_back"):
        result = session.scalars(select(ContactResult.id)).first() or _result(session)
        of = hit if each["who"] != "other" else elsewhere
        step = {"hit_id": of, "from_status": "waiting", "to_status": "waiting", "person": "chen"}
        session.add(HitEvent(kind="follow_up", result_id=result, at=when, **step))
        if each["what"] == "taken_back":
            session.add(HitEvent(kind="undo", at=when + dt.timedelta(seconds=1), undoes_at=when, **step))
    else:
        first = session.get_one(Outreach, contact)
        batch = OutreachBatch(
            channel="sms", version_id=first.version_id, selection={}, created_by="x", status="done"
        )
        session.add(batch)
        session.flush()
        same = {"hit_id": hit, "lead_id": lead.id, "version_id": first.version_id, **keys}
        status = "failed" if each["what"] == "failed" else "sent"
        channel = "sms" if each["what"] == "sms" else "call"
        session.add(Outreach(batch_id=batch.id, channel=channel, status=status, reserved_at=when, **same))


def _result(session: Session) -> int:
    made = ContactResult(name="未接了", kind="next")
    session.add(made)
    session.flush()
    return made.id
