"""The do-not-disturb list: entries by phone or person, and leads and hits that follow it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import DomainError, FieldError
from app.leads import suppression
from app.leads.importer import ImportOrder, ImportResult, run_import
from app.leads.kinds import SUPPRESSIONS
from app.leads.matching import propose_columns
from app.leads.suppression_file import SuppressionIntake
from app.models import Lead, Suppression
from tests.leads.support import Importer, id_number, person, write_csv, write_xlsx
from tests.leads.test_undo import hit

TODAY = dt.date(2026, 10, 27)
OPTED_OUT = "SELECT name FROM lead WHERE opted_out ORDER BY id"
FLAGS = "SELECT lead.name, hit.opted_out FROM hit JOIN lead ON lead.id = hit.lead_id ORDER BY hit.id"


@pytest.fixture
def db(importer: Importer):
    """A session on a list of four people; 王1 and 王4 share a phone."""
    importer.rows(person(1), person(2), person(3), person(4, phone="13800000001"))
    with Session(importer.engine) as session:
        yield session


def add(db: Session, importer: Importer, **typed: str) -> Suppression:
    target = suppression.typed_target(typed.get("phone", ""), typed.get("id_number", ""), importer.settings)
    entry = suppression.add(db, target, reason="投诉", user="mary", today=TODAY)
    db.commit()
    return entry


def lead(db: Session, name: str) -> Lead:
    db.expire_all()
    return db.scalars(select(Lead).where(Lead.name == name)).one()


def test_a_phone_stops_everybody_who_has_it(db: Session, importer: Importer) -> None:
    entry = add(db, importer, phone="+86 138-0000-0001")
    assert importer.query(OPTED_OUT) == ["王1", "王4"]
    assert entry.shown == "138****0001"


def test_a_person_is_kept_as_a_hash_only(db: Session, importer: Importer) -> None:
    entry = add(db, importer, id_number=id_number(2))
    assert importer.query(OPTED_OUT) == ["王2"]
    assert entry.id_hash == lead(db, "王2").id_hash
    stored = str(importer.query("SELECT s::text FROM suppression s"))
    assert id_number(2)[-6:] not in stored


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({}, "phone"),
        ({"phone": "13800000001", "id_number": id_number(1)}, "phone"),
        ({"phone": "12"}, "phone"),
        ({"id_number": "123"}, "id_number"),
    ],
)
def test_what_is_no_target_is_refused(db: Session, importer: Importer, typed: dict, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        add(db, importer, **typed)
    assert refused.value.field == field


def test_removal_needs_a_reason_and_keeps_the_row(db: Session, importer: Importer) -> None:
    entry = add(db, importer, phone="13800000001")
    with pytest.raises(FieldError):
        suppression.remove(db, entry, reason=" ", user="bob", today=TODAY)
    db.rollback()
    suppression.remove(db, entry, reason="客户同意", user="bob", today=TODAY)
    db.commit()
    assert importer.query(OPTED_OUT) == []
    assert importer.query("SELECT removed_by, removal_reason FROM suppression") == [("bob", "客户同意")]
    with pytest.raises(DomainError):
        suppression.remove(db, entry, reason="又", user="bob", today=TODAY)


def test_another_entry_still_holds(db: Session, importer: Importer) -> None:
    by_phone = add(db, importer, phone="13800000001")
    add(db, importer, id_number=id_number(1))
    suppression.remove(db, by_phone, reason="x", user="bob", today=TODAY)
    db.commit()
    assert importer.query(OPTED_OUT) == ["王1"]


def test_the_same_target_twice_is_refused_unless_it_lasts_longer(db: Session, importer: Importer) -> None:
    target = suppression.phone_target("13800000002", importer.settings)
    month = TODAY + dt.timedelta(days=30)
    suppression.add(db, target, reason="a", user="x", today=TODAY, expires_on=month)
    with pytest.raises(DomainError):
        suppression.add(db, target, reason="a", user="x", today=TODAY, expires_on=TODAY)
    suppression.add(db, target, reason="a", user="x", today=TODAY)
    with pytest.raises(FieldError):
        suppression.add(
            db, target, reason="a", user="x", today=TODAY, expires_on=TODAY - dt.timedelta(days=1)
        )


def test_an_entry_holds_through_its_last_day(db: Session, importer: Importer) -> None:
    target = suppression.phone_target("13800000002", importer.settings)
    suppression.add(db, target, reason="a", user="x", today=TODAY, expires_on=TODAY)
    db.commit()
    assert suppression.expire(importer.engine, TODAY) == 0
    assert importer.query(OPTED_OUT) == ["王2"]
    assert suppression.expire(importer.engine, TODAY + dt.timedelta(days=1)) == 1
    assert importer.query(OPTED_OUT) == []
    assert importer.query("SELECT removed_by, removal_reason FROM suppression") == [("system", "expired")]


def test_waiting_hits_follow_and_others_keep_their_flag(db: Session, importer: Importer) -> None:
    hit(importer, "王1", "waiting")
    hit(importer, "王2", "in_progress")
    hit(importer, "王3", "waiting")
    for number in (1, 2):
        add(db, importer, id_number=id_number(number))
    assert importer.query(FLAGS) == [("王1", True), ("王2", False), ("王3", False)]


def test_an_import_brings_people_who_are_on_the_list(db: Session, importer: Importer) -> None:
    add(db, importer, phone="13900000009")
    importer.rows(person(9, phone="13900000009"))
    assert importer.query(OPTED_OUT) == ["王9"]
    importer.rows(person(9, phone="13900000010"), update=True)
    assert importer.query(OPTED_OUT) == []


def test_the_tick_on_a_lead_is_an_entry_of_the_person(db: Session, importer: Importer) -> None:
    with pytest.raises(FieldError):
        suppression.add_lead(db, lead(db, "王1"), reason="", user="mary", today=TODAY)
    suppression.add_lead(db, lead(db, "王1"), reason="来电", user="mary", today=TODAY)
    db.commit()
    assert importer.query(OPTED_OUT) == ["王1"]
    [entry] = suppression.person_entries(db, lead(db, "王1"), TODAY)
    suppression.remove(db, entry, reason="同意", user="mary", today=TODAY)
    db.commit()
    assert importer.query(OPTED_OUT) == []


def test_the_tick_can_not_undo_an_entry_of_the_phone(db: Session, importer: Importer) -> None:
    add(db, importer, phone="13800000001")
    with pytest.raises(FieldError, match="phone number is on"):
        suppression.person_entries(db, lead(db, "王1"), TODAY)


def take(importer: Importer, path: Path) -> ImportResult:
    def find(header: Sequence[str], file: str) -> dict[str, int]:
        return propose_columns(header, SUPPRESSIONS)

    order = ImportOrder(path, path.name, "mary", importer.settings, find=find)
    intake = SuppressionIntake(importer.settings, reason="批量", user="mary", today=TODAY)
    return run_import(importer.engine, order, intake)


def test_a_file_is_taken_row_by_row(db: Session, importer: Importer) -> None:
    rows = [
        ["手机号", "身份证号", "原因", "有效期至"],
        ["13800000001", "", "投诉", "2026-12-31"],
        ["", id_number(2), "", "2026/11/01"],
        ["13800000003", id_number(3), "", ""],
        ["138", "", "", ""],
        ["", "110101", "", ""],
        ["", "", "投诉", ""],
        ["13900000000", "", "", "2026-10-26"],
        ["13900000000", "", "", "soon"],
        ["138 0000 0001", "", "", ""],
    ]
    result = take(importer, write_csv(importer.folder / "stop.csv", rows))
    assert (result.read, result.created, result.existing, result.updated) == (9, 4, 0, 4)
    assert result.rejected == {
        "invalid_phone": 1,
        "invalid_id_number": 1,
        "missing_target": 1,
        "bad_expiry": 2,
        "duplicate_in_file": 1,
    }
    errors = Path(str(result.error_file)).read_text(encoding="utf-8-sig")
    assert errors.count("bad_expiry") == 2
    assert id_number(2) not in errors
    assert importer.query(OPTED_OUT) == ["王1", "王2", "王3", "王4"]
    assert importer.query("SELECT reason FROM suppression ORDER BY id") == ["投诉", "批量", "批量", "批量"]
    again = take(importer, importer.folder / "stop.csv")
    assert (again.created, again.existing, again.updated) == (0, 4, 0)


def test_an_excel_file_is_taken(db: Session, importer: Importer) -> None:
    path = write_xlsx(importer.folder / "stop.xlsx", {"a": [["手机号", "原因"], ["13800000002", "投诉"]]})
    assert take(importer, path).created == 1
