"""Data-subject requests: finding a customer by number, exporting and erasing all their data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from app.activity import store
from app.errors import FieldError
from app.extensions import db
from app.leads import subject
from app.leads.cube import prepare
from app.leads.identity import IdHasher, canonical_id
from app.models import Hit, Lead, Reveal, SubjectRequest, Suppression
from app.t1.deliveries import ingest_logs
from tests.access.world import World, build
from tests.conftest import make_staff
from tests.leads.support import Importer, id_number, person

ID, STRANGER = id_number(1), id_number(2)
PHONE = "13800000001"


@pytest.fixture
def world(app: Flask, session: Session) -> World:
    """The first lead is the person with ID, seen once at another institution and once revealed."""
    world = build(session, app.config["SETTINGS"])
    lead = session.get_one(Lead, world.ids["lead_home"])
    lead.id_hash = hashed(app, ID)
    make_staff(session, "admin", "Admin")
    session.add(Reveal(lead_id=lead.id, reason="回电客户", revealed_by="k", address="::1"))
    session.commit()
    return world


def hashed(app: Flask, number: str) -> str:
    settings = app.config["SETTINGS"]
    return IdHasher(settings.id_hash_algorithm, settings.id_hash_key).hash(canonical_id(number))


@pytest.fixture
def calls(app: Flask, tmp_path: Path) -> None:
    """Two calls of ID on one date and one of a stranger."""
    rows = [("1", ID, "A"), ("2", ID, "B"), ("3", STRANGER, "A")]
    lines = [
        f"r{n},2026-10-26 10:00:00,face_verify,{place},{hashed(app, who)},success" for n, who, place in rows
    ]
    head = "request_id,event_time,event_type,institution_code,id_hash,result"
    (tmp_path / "log.csv").write_text("\n".join([head, *lines]) + "\n")
    with app.app_context():
        ingest_logs(app.config["SETTINGS"], [tmp_path / "log.csv"])


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("typed", [PHONE, "+86 138-0000-0001", ID, f"'{ID.lower()}", f" {ID} "])
def test_found_by_either_number_in_any_spelling(typed: str, world: World, session: Session) -> None:
    found = subject.find(typed, "admin")
    assert [lead.id for lead in found.leads] == [world.ids["lead_home"]]
    row = session.scalars(select(SubjectRequest)).one()
    assert (row.kind, row.lead_no, row.created_by) == ("find", "L1001", "admin")


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("typed", ["", "  ", "12345", "310101199709060960", "L1001", "x" * 40])
def test_what_is_no_number_is_refused(typed: str, world: World, session: Session) -> None:
    with pytest.raises(FieldError) as caught:
        subject.find(typed, "admin")
    assert caught.value.field == "number"
    assert session.scalars(select(SubjectRequest)).all() == []


@pytest.mark.usefixtures("context", "calls")
def test_everything_held_is_handed_over(world: World) -> None:
    lead = subject.get_lead(str(world.ids["lead_home"]))
    assert lead is not None
    answer = subject.collect_data(lead, "admin", "export")
    assert answer["lead"]["lead_no"] == "L1001"
    assert answer["lead"]["phone_masked"] == "138****0001"
    assert len(answer["hits"]) == 3
    assert [look["reason"] for look in answer["reveals"]] == ["回电客户"]
    assert answer["activity"] == [{"date": "2026-10-26", "calls": 2, "institutions": 2}]
    assert PHONE not in str(answer)


@pytest.mark.usefixtures("context", "calls")
def test_a_stranger_is_told_of_the_calls_alone(world: World, session: Session) -> None:
    found = subject.find(STRANGER, "admin")
    assert found.leads == []
    assert [(str(day), counts["calls"]) for day, counts in found.calls.items()] == [("2026-10-26", 1)]
    assert session.scalars(select(SubjectRequest.lead_no)).all() == [None]


def erase(world: World, lead_no: str = "L1001", reason: str = "客户书面申请", suppress: bool = True) -> None:
    lead = subject.get_lead(str(world.ids["lead_home"]))
    assert lead is not None
    subject.erase(lead, lead_no, reason, "admin", suppress=suppress)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(("wrong", "field"), [({"lead_no": "L1002"}, "lead_no"), ({"reason": ""}, "reason")])
def test_erasure_wants_the_lead_number_and_a_reason(
    wrong: dict[str, Any], field: str, world: World, session: Session
) -> None:
    with pytest.raises(FieldError) as caught:
        erase(world, **wrong)
    db.session.rollback()
    assert caught.value.field == field
    assert session.get(Lead, world.ids["lead_home"]) is not None
    assert session.scalars(select(SubjectRequest)).all() == []


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("suppress", [True, False])
def test_erasure_leaves_only_that_it_happened(suppress: bool, world: World, session: Session) -> None:
    erase(world, suppress=suppress)
    assert session.get(Lead, world.ids["lead_home"]) is None
    assert session.scalar(select(func.count()).select_from(Hit)) == 6
    assert session.scalar(select(func.count()).select_from(Reveal)) == 0
    row = session.scalars(select(SubjectRequest)).one()
    assert (row.kind, row.lead_no, row.reason) == ("erase", "L1001", "客户书面申请")
    kept = session.scalars(select(Suppression).where(Suppression.reason == "客户书面申请")).all()
    assert len(kept) == suppress


@pytest.mark.usefixtures("context")
def test_who_was_erased_is_not_contacted_after_a_later_import(
    world: World, importer: Importer, session: Session
) -> None:
    erase(world)
    importer.rows(person(1, id_number=ID), person(2))
    flags = dict(session.execute(select(Lead.id_hash, Lead.opted_out)).all())  # type: ignore[arg-type]
    assert flags[hashed(db_app(), ID)] is True
    assert flags[hashed(db_app(), STRANGER)] is False


def db_app() -> Flask:
    from flask import current_app

    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.usefixtures("context", "calls")
def test_the_lead_layer_lets_an_erased_lead_go(world: World, app: Flask) -> None:
    settings = app.config["SETTINGS"]
    days = list(store.snapshot(settings.data_dir / "activity").days)
    before = prepare(settings, days)
    erase(world)
    after = prepare(settings, days)
    assert leads_in(before) == [world.ids["lead_home"]]
    assert leads_in(after) == []


def leads_in(state: store.Snapshot) -> list[int]:
    import pyarrow.parquet as pq

    files = [state.root / str(day.leads) for day in state.days.values()]
    return sorted({lead for file in files for lead in pq.read_table(file)["lead"].to_pylist()})


@pytest.mark.usefixtures("context")
def test_what_was_typed_is_kept_nowhere(
    world: World, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    subject.find(PHONE, "admin")
    subject.find(STRANGER, "admin")
    erase(world, reason=f"客户 {PHONE} {ID} 申请")
    with engine.connect() as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        kept = [row for t in tables.all() for row in connection.scalars(text(f'SELECT x::text FROM "{t}" x'))]
    everything = "\n".join([*kept, caplog.text])
    assert [number for number in (PHONE, ID, STRANGER) if number in everything] == []
