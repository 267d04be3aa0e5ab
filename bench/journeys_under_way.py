"""Journeys under way, on a database of their own: ``python bench/journeys_under_way.py [PEOPLE]``.

Everybody (default 20,000) enters at once and takes seven or eight steps, three of which are contacts that the
sandbox accepts. The clock is moved to where steps are due. The alternative does one customer at a time, with
a transaction each; it is measured on a fiftieth of the people.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sys
import time
from typing import Any

from sqlalchemy import func, select, text

from app.extensions import db
from app.journeys import entering, execution
from app.leads.phone import PhoneVault
from app.lib import clock
from app.models import JourneyStep, OutreachStatus
from app.outreach import sending
from app.rulesfile.apply import apply_config
from app.rulesfile.schema import parse_config
from bench._common import peak_mb, product
from config import Settings

ONE_IN = 50
START = dt.datetime(2026, 3, 2, 22, 0, tzinfo=dt.UTC)  # 06:00 of a Tuesday in Shanghai
STEPS: list[dict[str, Any]] = [
    {"id": "sms1", "do": "contact", "channel": "sms", "template": "T-SMS", "then": "wait1"},
    {"id": "wait1", "do": "wait", "hours": 2, "then": "call1"},
    {"id": "call1", "do": "contact", "channel": "call", "template": "T-CALL", "then": "wait2"},
    {"id": "wait2", "do": "wait", "days": 1, "until": "answered", "then": "split", "timeout": "split"},
    {"id": "split", "do": "split", "parts": {"wait3": 50, "sms2": 50}},
    {"id": "wait3", "do": "wait", "hours": 1, "then": "sms2"},
    {"id": "sms2", "do": "contact", "channel": "sms", "template": "T-SMS", "then": "end"},
    {"id": "end", "do": "end"},
]
CONTENT: dict[str, Any] = {
    "products": [{"code": "LOAN-C", "name": "消费贷", "line": "loan"}],
    "templates": [
        {"code": "T-SMS", "name": "短信", "channel": "sms", "text": "{surname}您好"},
        {"code": "T-CALL", "name": "电话", "channel": "call", "text": "您好"},
    ],
    "outreach": {"hours": ["08:00", "21:00"], "caps": [{"channel": "all", "contacts": 9, "days": 30}]},
    "journeys": [
        {
            "code": "J",
            "name": "旅程",
            "trigger": {"on": "outcome", "outcome": "any"},
            "reentry": {"after_days": 1},
            "steps": STEPS,
        }
    ],
}


def main() -> None:
    """Print steps per second of both ways."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with product() as (_app, settings):
        move(START - dt.timedelta(days=1))
        apply_config(parse_config(CONTENT, "bench"), "bench")
        moment, rates = START, {}
        for name, count, chunk in (
            ("one customer at a time", max(people // ONE_IN, 10), 1),
            ("a thousand at a time", people, execution.CHUNK),
        ):
            execution.CHUNK, entering.CHUNK = chunk, chunk
            arrange(settings, count, moment)
            rates[name] = measure(name, moment)
            moment += dt.timedelta(days=7)
        print(f"ratio {rates['a thousand at a time'] / rates['one customer at a time']:.1f}, {peak_mb()} MB")


def move(moment: dt.datetime) -> None:
    """Set the clock."""
    with db.engine.begin() as connection:
        clock.move(connection, moment)


def arrange(settings: Settings, people: int, moment: dt.datetime) -> None:
    """Add people who bought something on the day before a moment."""
    move(moment - dt.timedelta(hours=20))
    vault = PhoneVault(settings.pii_key)
    first = db.session.scalar(text("SELECT coalesce(max(id), 0) FROM lead")) + 1
    phone = "INSERT INTO lead (lead_no, name, id_hash, phone_cipher, phone_index, phone_masked) VALUES "
    phone += "(:no, :name, :hash, :cipher, :index, :masked)"
    rows = []
    for number in range(first, first + people):
        clear = f"138{number:08d}"
        known = {"no": f"L{number}", "name": "王伟", "hash": hashlib.sha256(clear.encode()).hexdigest()}
        rows.append(
            known
            | {"cipher": vault.encrypt(clear), "index": vault.index(clear), "masked": f"138****{clear[-4:]}"}
        )
    db.session.execute(text(phone), rows)
    day = (moment - dt.timedelta(hours=12)).date()
    bought = (
        "INSERT INTO outcome (outcome_id, lead_id, product_id, on_date, amount) "
        "SELECT 'O-' || id, id, (SELECT min(id) FROM product), :day, 5 FROM lead WHERE id >= :first"
    )
    db.session.execute(text(bought), {"day": day, "first": first})
    db.session.commit()
    with db.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def measure(name: str, moment: dt.datetime) -> float:
    """Let everybody go through the journey. Return the steps per second of what journeys themselves do."""
    before, moving, sends, spent = steps_done(), 0.0, 0.0, time.process_time()
    coming: dt.datetime | None = moment
    while coming is not None:
        move(coming)
        while True:
            began = time.perf_counter()
            execution.work()
            moving += time.perf_counter() - began
            if not under_way():
                break
            began = time.perf_counter()
            sending.work()
            sends += time.perf_counter() - began
        coming = db.session.scalar(select(func.min(JourneyStep.next_at)))
        db.session.rollback()
    steps, spent = steps_done() - before, time.process_time() - spent
    print(
        f"{name}: {steps:,} steps, {steps / moving:,.0f} a second; {moving:.1f} s of journeys and "
        f"{sends:.1f} s of sending, {spent:.1f} s of this process's processors"
    )
    return steps / moving


def under_way() -> bool:
    """Whether contacts wait to be sent."""
    queued = text("SELECT EXISTS (SELECT FROM outreach WHERE status = :queued)")
    return bool(db.session.scalar(queued, {"queued": OutreachStatus.QUEUED}))


def steps_done() -> int:
    """Return how many steps are done."""
    return int(db.session.scalar(select(func.count()).where(JourneyStep.status != "waiting")) or 0)


if __name__ == "__main__":
    main()
