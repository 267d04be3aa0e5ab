"""Hits after corrections of logs: those that no longer hold are withdrawn, against a brute force."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import Hit, HitEvent, LogCorrection
from app.rules.withdrawals import evaluate_days
from app.t1 import corrections
from app.t1.deliveries import ingest_logs
from tests.hits.test_counts import customers_agree
from tests.rules.brute import DAY0, LEADS, Event, brute_force, clear, events, fits, met, put_in_force, rules
from tests.rules.support import add_leads, apply_rule, calls, deliver
from tests.thorough import examples

FIRST, LAST = DAY0 + dt.timedelta(4), DAY0 + dt.timedelta(13)
DAYS = [FIRST + dt.timedelta(n) for n in range((LAST - FIRST).days + 1)]


class Bank:
    """The hits of a rule by brute force: by lead and date, whether they are live."""

    def __init__(self, rule: dict[str, Any]) -> None:
        self.rule = rule
        self.hits: dict[tuple[int, dt.date], bool] = {}

    def holds(self, lead: int, day: dt.date, seen: Sequence[Event]) -> bool:
        own = [each for each in seen if each.lead == lead]
        return fits(self.rule["lead_filter"], lead) and met(self.rule, own, day) is not None

    def judge(self, seen: Sequence[Event]) -> None:
        for lead, day in self.hits:
            self.hits[lead, day] &= self.holds(lead, day, seen)

    def evaluate(self, days: Sequence[dt.date], seen: Sequence[Event]) -> None:
        wait = self.rule["cooldown_days"]
        for day in days:
            for lead in range(1, LEADS + 1):
                gaps = [(day - on).days for (who, on), live in self.hits.items() if live and who == lead]
                comes_back = (lead, day) in self.hits and all(abs(gap) >= wait for gap in gaps)
                if (comes_back or all(gap >= wait for gap in gaps)) and self.holds(lead, day, seen):
                    self.hits[lead, day] = True


class Delivery(NamedTuple):
    path: Path
    events: list[tuple[int, Event]]


def write(folder: Path, name: str, numbered: list[tuple[int, Event]]) -> Delivery:
    """Write a log file; the number of an event is its request id."""
    lines = [
        json.dumps(
            {
                "request_id": f"r{number}",
                "event_time": f"{each.at:%Y-%m-%d %H:%M:%S}",
                "event_type": each.type,
                "institution_code": each.institution,
                "id_hash": f"{each.lead:032x}" * 2,
                "result": each.result,
            }
        )
        for number, each in numbered
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return Delivery(path, numbered)


def stored() -> dict[tuple[int, dt.date], bool]:
    rows = db.session.execute(select(Hit.lead_id, Hit.hit_date, Hit.live, Hit.status)).all()
    assert all(row.live == (row.status == "waiting") for row in rows)
    return {(row.lead_id, row.hit_date): row.live for row in rows}


def days_named() -> list[dt.date]:
    """The dates of the newest correction within those that are evaluated."""
    result = db.session.scalars(select(LogCorrection.result).order_by(LogCorrection.id.desc())).first()
    assert result is not None
    return [day for day in map(dt.date.fromisoformat, result["days"]) if FIRST <= day <= LAST]


@given(events, rules, st.integers(0, 2**20), st.integers(1, 10), st.booleans())
@examples(4, 30)
def test_live_hits_are_those_that_hold(
    app: Flask,
    engine: Engine,
    session: Session,
    leads: None,
    all_events: list[Event],
    rule: dict[str, Any],
    wrong: int,
    at_once: int,
    replaced: bool,
) -> None:
    """A file is withdrawn or replaced by half of it, dates evaluated again, and the file delivered again."""
    clear(app, engine)
    numbered = list(enumerate(all_events))
    parts: list[list[tuple[int, Event]]] = [[], []]
    for each in numbered:
        parts[wrong >> (each[0] % 20) & 1].append(each)
    bank = Bank(rule)
    settings = app.config["SETTINGS"]
    with app.app_context(), tempfile.TemporaryDirectory() as folder:
        put_in_force(rule)
        good, bad = (
            write(Path(folder), name, part) for name, part in zip(("good", "bad"), parts, strict=True)
        )
        ingest_logs(settings, [good.path, bad.path])
        evaluate_days(settings, FIRST, LAST)
        bank.evaluate(DAYS, all_events)
        assert stored() == bank.hits
        if not bad.events:
            return
        kept = bad.events[::2] if replaced and len(bad.events) > 1 else []
        new = write(Path(folder), "new", kept).path if kept else None
        corrections.apply_at_once(corrections.find_file(str(bad.path)), "cli:x", "a test", new)
        seen = [each for _number, each in sorted([*good.events, *kept])]
        days = days_named()
        for start in range(0, len(days), at_once):
            some = days[start : start + at_once]
            evaluate_days(settings, some[0], some[-1])
            bank.judge(seen)
            bank.evaluate([day for day in DAYS if some[0] <= day <= some[-1]], seen)
            assert stored() == bank.hits
        if rule["cooldown_days"] == 1:
            live = {key for key, is_live in stored().items() if is_live}
            wanted, _coverage = brute_force(rule, seen, DAYS)
            assert live == {(lead, dt.date.fromisoformat(day)) for lead, day, _values in wanted}
        customers_agree()
        before = _row_versions()
        if days:
            evaluate_days(settings, days[0], days[-1])
        assert _row_versions() == before, "the same dates again write nothing"
        ingest_logs(settings, [bad.path])
        evaluate_days(settings, FIRST, LAST)
        bank.evaluate(DAYS, all_events)
        assert stored() == bank.hits
        customers_agree()
        steps = select(HitEvent.kind, HitEvent.from_status, HitEvent.to_status).distinct()
        assert set(db.session.execute(steps).tuples()) <= {
            ("withdraw", "waiting", "withdrawn"),
            ("restore", "withdrawn", "waiting"),
        }


def _row_versions() -> dict[int, str]:
    found = dict(db.session.execute(text("SELECT id, xmin::text FROM hit")).tuples().all())
    db.session.rollback()
    return found


def test_days_between_dates_that_are_judged_need_not_have_been_evaluated(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    add_leads(session, 1)
    deliver(app, tmp_path / "wrong", [(1, f"{day} 09:00", "A") for day in ("2026-03-01", "2026-03-16")])
    deliver(app, tmp_path / "right", [(1, "2026-03-10 09:00", "A")])
    apply_rule(app, calls(window_days=1))
    with app.app_context():
        settings = app.config["SETTINGS"]
        days = (dt.date(2026, 3, 1), dt.date(2026, 3, 16))
        for day in days:
            evaluate_days(settings, day, day)
        corrections.apply_at_once(
            corrections.find_file(str(tmp_path / "wrong" / "0.jsonl")), "cli:x", "a test", None
        )
        evaluate_days(settings, days[0], days[0])
        assert stored() == {(1, day): False for day in days}
