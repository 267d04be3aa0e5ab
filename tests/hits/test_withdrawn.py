"""A withdrawn hit is no work and no figure any more, and its customer's pages say why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.errors import DomainError
from app.extensions import db
from app.hits import counts, steps
from app.hits.counts import HitFilter
from app.hits.export import hits_between
from app.models import Customer, Hit, HitEvent, IngestFile, LogCorrection, Staff
from app.outreach import by_hand
from app.rules import conversions
from app.rules.sql import SQL
from app.rules.withdrawals import SYSTEM
from tests import clock
from tests.access.world import DAY, active_rule, branch, hit, lead
from tests.conftest import make_staff


@pytest.fixture
def hits(app: Flask, session: Session) -> list[Hit]:
    """Two hits of a customer, the older of which converted, and one of another customer."""
    home = branch(session, "A")
    versions = [active_rule(session, f"R-{n}")[1] for n in (1, 2)]
    leads = [lead(app.config["SETTINGS"], n, home) for n in (1, 2)]
    session.add_all(leads)
    session.flush()
    first, second = (hit(leads[0], version, "waiting") for version in versions)
    first.status = "converted"
    rows = [first, second, hit(leads[1], versions[0], "in_progress")]
    session.add_all(rows)
    session.commit()
    return rows


@pytest.fixture
def withdraw(session: Session) -> Callable[..., None]:
    """Withdraw hits as the judgement after a correction does."""

    def run(*rows: Hit) -> None:
        file = IngestFile(
            digest="7" * 64,
            name="inbox/wrong.csv",
            size_bytes=1,
            rows_read=1,
            accepted=1,
            duplicates=0,
            rejected={},
            days={},
            ingested_at=dt.datetime(2026, 10, 26, tzinfo=dt.UTC),
        )
        correction = LogCorrection(
            file=file, reason="测试文件", requested_by="x", approved_by="y", status="done"
        )
        session.add(correction)
        session.flush()
        values = {"ids": [row.id for row in rows], "correction": correction.id, "system": SYSTEM, "note": "n"}
        for name in ("hit_withdraw", "hit_withdraw_calls"):
            session.execute(text(SQL[name]), values)
        session.commit()

    return run


def test_it_leaves_work_counts_and_figures_but_keeps_its_history(
    app: Flask, session: Session, hits: list[Hit], withdraw: Callable[..., None]
) -> None:
    chief = make_staff(session, "chief", "Manager")
    mine = update(Customer).where(Customer.open_hits > 0)
    session.execute(mine.values(owner_id=chief.id, call_back_at=clock.now()))
    session.commit()
    withdraw(*hits)
    with app.app_context():
        person = db.session.get_one(Staff, chief.id)
        assert counts.total(HitFilter(person)) == 0
        customers = db.session.scalars(select(Customer).order_by(Customer.id)).all()
        for each in customers:
            assert (each.state, each.status, each.hits, each.open_hits) == ("done", "withdrawn", 0, 0)
            assert (each.owner_id, each.call_back_at, each.live) == (None, None, True)
        gone = db.session.get_one(Hit, hits[2].id)
        for step in ("start", "convert", "close", "reopen"):
            assert not steps.is_allowed(gone, step, person)
        with pytest.raises(DomainError, match="命中已因日志更正撤销"):
            by_hand.check_call(gone.lead, person, gone.id)
        # A conversion that somebody marked is still what the customer did.
        assert db.session.scalars(select(Hit.id).where(conversions.claimed())).all() == [hits[0].id]
        assert [row["status"] for row in hits_between(None, None)] == ["withdrawn"] * 3
        told = db.session.execute(select(HitEvent.kind, HitEvent.from_status).order_by(HitEvent.hit_id)).all()
        assert [tuple(row) for row in told] == [
            ("withdraw", status) for status in ("converted", "waiting", "in_progress")
        ]


def test_an_earlier_withdrawn_hit_is_not_the_first(
    app: Flask, session: Session, hits: list[Hit], withdraw: Callable[..., None]
) -> None:
    later = hit(hits[2].lead, hits[2].version, "waiting")
    later.hit_date = DAY + dt.timedelta(days=20)
    session.add(later)
    session.commit()
    withdraw(hits[2])
    with app.app_context():
        first = db.session.scalars(select(Hit.id).where(Hit.live, conversions.is_first())).all()
        assert sorted(first) == sorted([hits[0].id, hits[1].id, later.id])


def test_a_deleted_lead_takes_its_withdrawn_hits_off_the_lists(
    app: Flask, session: Session, hits: list[Hit], withdraw: Callable[..., None]
) -> None:
    withdraw(hits[2])
    listed = text("SELECT live FROM customer WHERE id = :id")
    for deleted, live in (("now()", False), ("NULL", True)):
        change = text(f"UPDATE lead SET deleted_at = {deleted} WHERE id = :id")
        session.execute(change, {"id": hits[2].lead_id})
        session.commit()
        assert session.scalar(listed, {"id": hits[2].lead_id}) is live
        assert session.scalar(select(Hit.live).where(Hit.id == hits[2].id)) is False


def test_the_page_of_the_customer_says_why(
    app: Flask, session: Session, hits: list[Hit], withdraw: Callable[..., None], login: Any
) -> None:
    withdraw(hits[1], hits[2])
    chief = login("Manager", username="chief")
    shown = chief.get(f"/hitview/show/{hits[2].id}", follow_redirects=True).get_data(as_text=True)
    assert "inbox/wrong.csv" in shown
    assert "测试文件" in shown
    mixed = chief.get(f"/customerview/show/{hits[1].lead_id}").get_data(as_text=True)
    assert "inbox/wrong.csv" in mixed
    for page in ("/hitview/list/", "/hitview/list/?_flt_0_status=withdrawn"):
        assert f"/hitview/show/{hits[2].id}" not in chief.get(page).get_data(as_text=True)
    line = chief.get(f"/leadview/timeline/{hits[2].lead_id}", follow_redirects=True).get_data(as_text=True)
    assert "测试文件" in line
