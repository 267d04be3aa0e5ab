"""A small bank with activity: six leads of three branches, hits, tags and a month of calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.extensions import db
from app.models import Branch, Hit, Lead, LeadTag, Tag
from config import Settings
from tests import clock
from tests.access.world import active_rule, branch
from tests.activity.support import ZONE, person, row, write

from app.activity.ingest import ingest  # isort: skip

#: lead → calls of each of the last days, counted back from yesterday: (days back, institution)
CALLS = {
    1: [(0, "A"), (0, "B"), (3, "A")],
    2: [(1, "A")],
    3: [(20, "A"), (21, "B"), (22, "C")],
    7: [(0, "A")],
}


def make_lead(number: int, where: Branch | None, source: str = "抖音推广", **values: object) -> Lead:
    return Lead(
        lead_no=f"L{number}",
        name=f"客{number}",
        id_hash=person(number),
        phone_cipher=b"x",
        phone_index=f"p{number}",
        phone_masked="138****0000",
        source=source,
        branch=where,
        **values,
    )


@pytest.fixture
def bank(furnished: Flask) -> Iterator[Session]:
    """A database session in an application context of that bank."""
    with furnished.app_context():
        yield db.session


@pytest.fixture
def furnished(app: Flask, session: Session, settings: Settings, tmp_path: Path) -> Flask:
    """The application with that bank, outside any context."""
    today = clock.today()
    home, away = branch(session, "HOME"), branch(session, "AWAY")
    sub = branch(session, "SUB", home)
    noon = dt.datetime.combine(today, dt.time(12), settings.zone)
    leads = {
        1: make_lead(1, home, created_at=noon - dt.timedelta(days=1)),
        2: make_lead(2, away, status="paused", created_at=noon - dt.timedelta(days=40)),
        3: make_lead(3, sub, opted_out=True, created_at=noon - dt.timedelta(days=100)),
        4: make_lead(4, None, "官网预约"),
        5: make_lead(5, home, "官网预约"),
        7: make_lead(7, home, deleted_at=noon),
    }
    tag = Tag(name="VIP", colour="red", created_by="x")
    session.add_all([*leads.values(), tag])
    rule, version = active_rule(session, "R-1")
    session.flush()
    session.add_all(LeadTag(lead_id=leads[number].id, tag_id=tag.id) for number in (1, 4))
    for number, back, grade, status, score in (
        (1, 0, "B", "waiting", 4.0),
        (1, 30, "A", "failed", 9.0),
        (2, 5, "C", "converted", 2.0),
        (3, 120, "A", "waiting", 8.0),
    ):
        day = today - dt.timedelta(days=back)
        session.add(
            Hit(
                rule_id=rule.id, version_id=version.id, lead_id=leads[number].id, hit_date=day, values=[1],
                score=score, grade=grade, status=status, evidence={}, last_met_on=day, made_on=day,
            )
        )  # fmt: skip
    session.commit()
    calls = [
        row(f"{number}-{place}", f"{today - dt.timedelta(days=back + 1)} 10:00:00", institution_code=code,
            id_hash=person(number))
        for number, own in CALLS.items()
        for place, (back, code) in enumerate(own)
    ]  # fmt: skip
    ingest(settings.data_dir / "activity", [write(tmp_path / "log.csv", calls)], timezone=ZONE)
    return app
