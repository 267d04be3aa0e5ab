"""The demo as a whole: what it creates, and when it does nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from app.demo import people, staff
from app.demo.facts import DELIVERIES
from app.demo.load import _random, load_demo
from app.extensions import db
from app.facts.lead import stated_facts
from app.models import (
    Approval,
    Branch,
    ControlMember,
    Delivery,
    Hit,
    HitEvent,
    HitStatus,
    Holiday,
    ImportBatch,
    IngestFile,
    Institution,
    JobRun,
    Journey,
    JourneyEnrolment,
    JourneySimulation,
    JourneyStep,
    Lead,
    Outcome,
    Outreach,
    OutreachBatch,
    OutreachEvent,
    Product,
    Push,
    Reminder,
    Rule,
    RunStatus,
    SandboxMessage,
    Segment,
    Staff,
    WeeklyReport,
)
from app.segments.definition import segment_def
from app.segments.leads import leads_in
from config import Settings
from tests import clock

PEOPLE, DAYS, RUNS = 1500, 20, 3


def load(app: Flask) -> tuple[bool, list[str]]:
    said: list[str] = []
    with app.app_context():
        return load_demo(said.append, customers=PEOPLE, days=DAYS, runs=RUNS), said


def test_the_whole_demo_is_loaded_once(
    app: Flask, session: Session, engine: Engine, settings: Settings
) -> None:
    call_workdays(session)
    loaded, said = load(app)
    assert loaded
    assert any(f"{PEOPLE:,} customers" in line for line in said)
    assert session.scalar(select(func.count()).select_from(Lead)) == PEOPLE
    assert 0 < session.scalar(select(func.count()).where(Lead.opted_out)) < PEOPLE // 20  # type: ignore[operator]
    check_runs(session)
    check_hits(session)
    check_logs(session)
    assert session.scalars(select(WeeklyReport)).one().made_at is not None
    check_contacts(session)
    check_journeys(session)
    with app.app_context():
        check_facts(session, settings)
        check_outcomes(session)
    check_due(session)
    check_pushes(session)
    before = fingerprint(engine)
    assert load(app) == (False, [])
    assert fingerprint(engine) == before
    check_no_id_number(engine, settings)


def call_workdays(session: Session) -> None:
    """Make the dates of the demo's pushes working days, because most schedules are silent on holidays."""
    dates = [clock.today() - dt.timedelta(days=n) for n in range(RUNS)]
    session.add_all(Holiday(date=date, kind="workday", name="上班", updated_by="x") for date in dates)
    session.commit()


def check_runs(session: Session) -> None:
    runs = session.scalars(select(JobRun).order_by(JobRun.day)).all()
    assert [run.status for run in runs] == [RunStatus.DONE] * RUNS
    assert runs[1].day - runs[0].day == runs[2].day - runs[1].day == dt.timedelta(days=1)


def check_journeys(session: Session) -> None:
    assert set(session.scalars(select(Journey.status))) == {"active", "draft"}
    query = select(JourneyEnrolment.status, func.count()).group_by(JourneyEnrolment.status)
    found = dict(session.execute(query).tuples().all())
    assert {"under_way", "ended"} <= set(found)
    waiting = session.scalar(select(func.count()).where(JourneyStep.status == "waiting"))
    assert waiting == found["under_way"]
    row = session.scalars(select(JourneySimulation)).one()
    assert (row.status, row.version.status, row.error) == ("done", "submitted", None)
    assert row.result is not None
    assert row.result["active"]["number"] == 1


def check_hits(session: Session) -> None:
    rules = set(session.scalars(select(Rule.id)))
    assert len(rules) >= 8
    assert set(session.scalars(select(Hit.rule_id))) == rules
    assert set(session.scalars(select(Hit.status))) == set(HitStatus) - {HitStatus.WITHDRAWN}
    assert set(session.scalars(select(Hit.grade))) == set("ABCD")
    assert session.scalar(select(func.count(Hit.hit_date.distinct()))) == 3
    branches = set(session.scalars(select(Branch.code).join(Lead, Lead.branch_id == Branch.id)))
    assert branches == {branch.code for branch in staff.BRANCHES if branch.weight}


def check_logs(session: Session) -> None:
    files = session.scalars(select(IngestFile)).all()
    assert {Path(file.name).name for file in files} == {"part-a.csv.gz", "part-b.jsonl.gz", "part-c.parquet"}
    assert len(files) == 3 * DAYS
    assert sum(file.duplicates for file in files) > 0
    assert sum(file.rows_rejected for file in files) > 0
    assert session.scalars(select(Institution.code).where(Institution.listed.is_(False))).all() == [
        "CF-NEWCOMER"
    ]


def check_contacts(session: Session) -> None:
    """Contacts have steps and times in the past, others are held back, and some requests are pending."""
    now = clock.now()
    sent = session.scalars(select(Outreach).where(Outreach.sent_at.is_not(None))).all()
    assert {row.channel for row in sent} == {"sms", "call"}
    assert len(sent) == session.scalar(select(func.count()).select_from(SandboxMessage))
    assert {row.reason for row in session.scalars(select(Outreach).where(Outreach.status == "held"))} >= {
        *("opted_out", "holdout", "twice", "cap_channel")
    }
    assert all(row.sent_at < now and row.at < now for row in sent if row.sent_at)
    assert session.scalar(select(func.max(OutreachEvent.at))) < now  # type: ignore[operator]
    assert session.scalar(select(func.max(HitEvent.at))) < now  # type: ignore[operator]
    assert set(session.scalars(select(OutreachBatch.status))) >= {"done", "checked"}
    assert session.scalar(select(func.count()).where(OutreachBatch.version_b_id.is_not(None))) == 1
    waiting = select(Approval.requested_by).where(Approval.status == "waiting")
    assert set(session.scalars(waiting)) == {"manager", "admin"}
    untouched = set(session.scalars(select(Hit.status).where(Hit.holdout)))
    assert untouched == {"waiting"}, "nobody contacts the holdout group"


def imported(session: Session, kind: str) -> Sequence[ImportBatch]:
    query = select(ImportBatch).where(ImportBatch.kind == kind)
    return session.scalars(query.order_by(ImportBatch.id)).all()


def check_facts(session: Session, settings: Settings) -> None:
    """Facts were delivered on several days, as files with mistakes; each segment finds some people."""
    batches = imported(session, "facts")
    delivered = [clock.today() - dt.timedelta(days=days) for days in DELIVERIES]
    assert [batch.created_at.astimezone(clock.ZONE).date() for batch in batches] == delivered
    assert {reason for batch in batches for reason in batch.rejected} == {"unknown_lead", "bad_value"}
    known = stated_facts(session.scalars(select(Lead.id).order_by(Lead.id)).first() or 0, clock.today())
    assert len({each.known_on for each in known if each.fact.code == "aum"}) == len(DELIVERIES)
    for segment in session.scalars(select(Segment)):
        found = leads_in(db.session(), segment_def(segment.definition), settings)
        assert 0 < len(db.session.scalars(found).all()) < PEOPLE, segment.code


def check_outcomes(session: Session) -> None:
    """People of all arms bought; some claims are confirmed and some not; one delivery corrects another."""
    batches = imported(session, "outcomes")
    assert [batch.rows_created > 0 for batch in batches] == [True, True]
    assert batches[-1].rows_updated > 0
    assert batches[-1].rows_unmatched > 0
    assert set(batches[-1].rejected) == {"missing_outcome_id", "unknown_product"}
    assert session.scalar(select(func.max(Outcome.on_date))) == clock.today() - dt.timedelta(days=1)
    told = {
        (hit.holdout, hit.status == HitStatus.CONVERTED, hit.converted)
        for hit in session.scalars(select(Hit))
    }
    held_out, marked = True, True
    assert told >= {(False, marked, True), (False, marked, False), (False, not marked, True)}
    assert (held_out, not marked, True) in told
    named = select(Product.code).join(Hit, Hit.product_id == Product.id).where(Hit.status == "converted")
    assert len(set(session.scalars(named))) > 1, "marketers name more than one product"
    assert session.scalar(select(func.count()).select_from(ControlMember))


def check_due(session: Session) -> None:
    """Every hit in progress has a date for its next follow-up."""
    forgotten = select(func.count()).where(Hit.owner_id.is_not(None), Hit.next_on.is_(None))
    assert session.scalar(forgotten.where(Hit.status.in_((HitStatus.WAITING, HitStatus.IN_PROGRESS)))) == 0


def check_pushes(session: Session) -> None:
    hits = session.scalar(select(func.sum(Push.hits)))
    assert hits
    assert session.scalar(select(func.sum(Delivery.hits)).where(Delivery.status == "sent")) == hits
    unread = set(session.scalars(select(Reminder.kind).where(Reminder.read_at.is_(None))))
    assert "hits" in unread
    assert "decided" not in unread, "what was decided last week was seen last week"


def fingerprint(engine: Engine) -> dict[str, str]:
    """Return a digest of every table's content."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in tables(engine)}


def check_no_id_number(engine: Engine, settings: Settings) -> None:
    """No ID number of the demo, all of which begin with the region, is in the database or in a file."""
    weights = {branch.code: branch.weight for branch in staff.BRANCHES if branch.weight}
    known = {person.id_number.encode() for person in people.customers(PEOPLE, weights, _random("people"))}
    for place, content in (*tables(engine), *files(settings.data_dir)):
        found = re.findall(rb"%s[0-9]{11}[0-9X]" % people.REGION.encode(), content)
        assert not known.intersection(found), place


def tables(engine: Engine) -> Iterable[tuple[str, bytes]]:
    """Yield every table's rows as text."""
    names = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    with engine.connect() as connection:
        for table in connection.scalars(names).all():
            rows = connection.scalars(text(f'SELECT t::text FROM "{table}" t'))
            yield table, "\n".join(sorted(rows)).encode()


def files(folder: Path) -> Iterable[tuple[str, bytes]]:
    """Yield the content of every file below the folder, decompressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path), gzip.decompress(content) if path.suffix == ".gz" else content


def test_production_gets_no_demo_and_no_log_ins(app: Flask, session: Session, settings: Settings) -> None:
    app.config["SETTINGS"] = dataclasses.replace(settings, app_env="production")
    assert load(app) == (False, [])
    assert not staff.create_logins(app)
    for table in (Lead, Branch, Staff, Rule):
        assert session.scalar(select(func.count()).select_from(table)) == 0
    assert not (settings.data_dir / "inbox").exists()


def test_a_list_of_real_customers_is_left_alone(app: Flask, session: Session) -> None:
    vault = {"phone_cipher": b"x", "phone_index": "0" * 64, "phone_masked": "138****0000"}
    session.add(Lead(name="王一", id_hash="a" * 64, deleted_at=clock.now(), **vault))
    session.commit()
    assert load(app) == (False, [])
    assert session.scalar(select(func.count()).select_from(Branch)) == 0
