"""Deliveries of outcomes by file, screen and API: what is stored, corrected, counted and rejected."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import retention
from app.extensions import db
from app.leads import subject
from app.leads.identity import IdHasher
from app.models import ImportBatch, Lead, Outcome, OutcomeFormer
from tests import clock
from tests.leads.support import id_number, write_xlsx
from tests.outcomes.conftest import Bank

#: an ID number with a wrong check digit
WRONG = f"{id_number(4)[:-1]}{'1' if id_number(4)[-1] != '1' else '2'}"
DAY = (clock.today() - dt.timedelta(days=9)).isoformat()


def stored(session: Session) -> dict[str, tuple[Any, ...]]:
    session.expire_all()
    query = select(Outcome).join(Lead).order_by(Outcome.outcome_id)
    return {
        row.outcome_id: (row.lead.lead_no, row.product.code, row.on_date.isoformat(), row.amount, row.margin)
        for row in session.scalars(query)
    }


def test_every_row_ends_in_one_count(bank: Bank, session: Session, app: Flask) -> None:
    settings = app.config["SETTINGS"]
    hasher = IdHasher(settings.id_hash_algorithm, settings.id_hash_key)
    tomorrow = (clock.today() + dt.timedelta(days=1)).isoformat()
    header = ("金额", "业务结果编号", "产品名称", "日期", "线索编号", "身份证号", "id_hash", "利润")
    rows = [
        ("1,234.50", "A1", "消费贷", DAY, "L1000", "", "", ""),
        ("¥80", "A2", "dep", DAY.replace("-", ""), "", id_number(1), "", "-3.5"),
        ("0", "A3", "DEP", DAY, "", "", hasher.hash(id_number(2)).upper(), ""),
        ("5", "A4", "DEP", DAY, "L1003", id_number(3), hasher.hash(id_number(3)), ""),
        ("5", "A1", "DEP", DAY, "L1004", "", "", ""),
        ("5", "B1", "DEP", DAY, "L9999", "", "", ""),
        ("5", "B2", "DEP", DAY, "", id_number(700), "", ""),
        ("5", "B3", "DEP", DAY, "L1000", id_number(1), "", ""),
        ("5", "", "DEP", DAY, "L1000", "", "", ""),
        ("5", "C1", "DEP", DAY, "", "", "", ""),
        ("5", "C2", "DEP", DAY, "", WRONG, "", ""),
        ("5", "C3", "CAR", DAY, "L1000", "", "", ""),
        ("5", "C4", "DEP", "31/12/2026", "L1000", "", "", ""),
        ("5", "C5", "DEP", tomorrow, "L1000", "", "", ""),
        ("-5", "C6", "DEP", DAY, "L1000", "", "", ""),
        ("", "C7", "DEP", DAY, "L1000", "", "", ""),
        ("5", "C8", "DEP", DAY, "L1000", "", "", "much"),
    ]
    done = bank.rows(*rows, header=header)
    assert {name: done[name] for name in ("read", "created", "corrected", "existing", "unmatched")} == {
        "read": 17,
        "created": 4,
        "corrected": 0,
        "existing": 0,
        "unmatched": 3,
    }
    assert done["rejected"] == {
        "duplicate_in_file": 1,
        "missing_outcome_id": 1,
        "missing_id": 1,
        "invalid_id_number": 1,
        "unknown_product": 1,
        "bad_date": 2,
        "bad_amount": 3,
    }
    assert stored(session) == {
        "A1": ("L1000", "LOAN-C", DAY, Decimal("1234.5"), None),
        "A2": ("L1001", "DEP", DAY, Decimal(80), Decimal("-3.5")),
        "A3": ("L1002", "DEP", DAY, Decimal(0), None),
        "A4": ("L1003", "DEP", DAY, Decimal(5), None),
    }
    with open(done["error_file"], encoding="utf-8-sig") as file:
        assert [row["原因代码 reason"] for row in csv.DictReader(file)].count("bad_amount") == 3
    assert id_number(1) not in Path(done["error_file"]).read_text("utf-8")


def test_a_correction_keeps_what_was_told_before(bank: Bank, session: Session, login: Any) -> None:
    bank.rows(("A1", "L1000", "DEP", DAY, "100"), ("A2", "L1001", "DEP", DAY, "100"))
    again = bank.rows(("A1", "L1000", "LOAN-C", DAY, "70"), ("A2", "L1001", "DEP", DAY, "100.00"))
    assert (again["created"], again["corrected"], again["existing"]) == (0, 1, 1)
    moved = bank.rows(("A1", "L1003", "LOAN-C", DAY, "70"), ("A9", "L1004", "DEP", DAY, "1"))
    assert (moved["created"], moved["corrected"]) == (1, 1)
    assert stored(session)["A1"] == ("L1003", "LOAN-C", DAY, Decimal(70), None)
    former = session.scalars(select(OutcomeFormer).order_by(OutcomeFormer.id)).all()
    assert [(row.lead.lead_no, row.product.code, row.amount) for row in former] == [
        ("L1000", "DEP", Decimal(100)),
        ("L1000", "LOAN-C", Decimal(70)),
    ]
    outcome = session.scalars(select(Outcome).where(Outcome.outcome_id == "A1")).one()
    page = login("Manager").get(f"/outcomeview/show/{outcome.id}").text
    assert page.count("until 20") == 2
    assert "L1000, 存款" in page
    assert f'<a href="/importbatchview/show/{outcome.batch_id}">#{outcome.batch_id} ' in page
    assert '<span><small class="muted">by the margin rate</small> ¥' in page


def test_workbooks_and_parquet_are_read_alike(bank: Bank, session: Session, tmp_path: Path) -> None:
    day = dt.date.fromisoformat(DAY)
    rows = [["A1", "L1000", "DEP", day, 12.5], ["A2", "L1001", "DEP", day, 7]]
    header = ["outcome_id", "lead_no", "product", "date", "amount"]
    assert bank.file(write_xlsx(tmp_path / "a.xlsx", {"一": [header, *rows]}))["created"] == 2
    columns = dict(zip(header, (list(each) for each in zip(*rows, strict=True)), strict=True))
    columns["amount"] = [12.5, 7.0]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    assert bank.file(tmp_path / "a.parquet")["existing"] == 2
    assert len(stored(session)) == 2


def test_a_file_without_the_columns_is_refused_whole(bank: Bank, cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("outcome_id,product,date,amount\nA,DEP,2026-01-01,5\n", "utf-8")
    refused = cli("outcomes", "import", path, "--json")
    assert refused.exit_code == 1
    assert '"unreadable_file": 1' in refused.stdout
    assert "no column has lead numbers" in refused.stderr


def test_the_wizard_checks_before_it_imports(
    bank: Bank, app: Flask, session: Session, login: Callable[..., Any]
) -> None:
    manager = login("Manager", language="en")
    rows = [f"A1,L1000,存款,{DAY},5", f"A2,L77,存款,{DAY},5", f"A3,L1000,没有,{DAY},5"]
    content = "\n".join(["业务编号,线索编号,产品,日期,金额", *rows])
    sent = manager.submit("/outcomeview/upload", {"file": (io.BytesIO(content.encode()), "结果.csv")})
    batch = int(sent.headers["Location"].rsplit("/", 1)[1])
    fields = ("outcome_id", "lead_no", "product", "date", "amount")
    matched = {f"column_{at}": field for at, field in enumerate(fields)}
    assert manager.submit(f"/importbatchview/columns/{batch}", matched).status_code == 302
    _work(app, batch)
    review = manager.get(f"/importbatchview/review/{batch}").text
    assert "New outcomes" in review
    assert "Unknown product" in review
    assert stored(session) == {}
    manager.submit(f"/importbatchview/start/{batch}")
    _work(app, batch)
    page = manager.get(f"/importbatchview/show/{batch}").text
    assert "1 outcomes created" in page
    assert "1 about people who are not on the lead list" in page
    row = session.get_one(ImportBatch, batch)
    assert (row.kind, row.rows_created, row.rows_unmatched, row.rejected) == (
        "outcomes",
        1,
        1,
        {"unknown_product": 1},
    )
    assert "A3" in manager.get(f"/importbatchview/errors/{batch}").text
    assert "A1" in manager.get("/outcomeview/list/").text


def _work(app: Flask, batch: int) -> None:
    from app.leads import upload_worker

    with app.app_context():
        upload_worker.work_on(batch)


def test_the_api_answers_row_by_row(bank: Bank, app: Flask, session: Session, login: Any) -> None:
    client = login("Admin")
    token = client.token()

    def post(items: Any) -> Any:
        return client.post("/api/v1/outcomes", json={"outcomes": items}, headers={"X-CSRFToken": token})

    good = {"outcome_id": "A1", "lead_no": "L1000", "product": "DEP", "date": DAY, "amount": 12.5}
    items = [
        good,
        good | {"outcome_id": "A2", "lead_no": "L77"},
        good | {"amount": -1, "outcome_id": "A3"},
        good | {"colour": "red"},
        "nothing",
        good | {"outcome_id": 7, "lead_no": None, "id_number": id_number(1), "margin": "0.5"},
        good,
    ]
    answers = post(items).json["outcomes"]
    assert [(each["status"], each.get("reason")) for each in answers] == [
        ("created", None),
        ("unmatched", None),
        ("rejected", "bad_amount"),
        ("rejected", "malformed_item"),
        ("rejected", "malformed_item"),
        ("created", None),
        ("rejected", "duplicate_in_file"),
    ]
    assert [each["status"] for each in post([good, good | {"outcome_id": "A5"}]).json["outcomes"]] == [
        "existing",
        "created",
    ]
    assert post([good | {"amount": 13}]).json["outcomes"] == [{"outcome_id": "A1", "status": "corrected"}]
    assert stored(session)["A1"][3] == Decimal(13)
    assert stored(session)["7"] == ("L1001", "DEP", DAY, Decimal("12.5"), Decimal("0.5"))
    assert post([good] * 1001).status_code == 400
    assert post("x").status_code == 400


def test_outcomes_are_told_and_erased_with_their_customer_and_in_time(
    bank: Bank, app: Flask, session: Session
) -> None:
    long_ago = (clock.today() - dt.timedelta(days=2000)).isoformat()
    bank.rows(("A1", "L1000", "DEP", DAY, "100"), ("A2", "L1001", "DEP", long_ago, "5"))
    bank.rows(("A1", "L1000", "DEP", DAY, "90"))
    with app.app_context():
        customer = db.session.scalars(select(Lead).where(Lead.lead_no == "L1000")).one()
        held = subject.collect_data(customer, "boss")["outcomes"]
        assert [(each["amount"], each["corrected_at"] is None) for each in held] == [(100, False), (90, True)]
        assert retention.run(db.engine, app.config["SETTINGS"], clock.now())["outcomes"] == 1
        subject.erase(customer, "L1000", "request", "boss", suppress=False)
    assert stored(session) == {}
    assert session.scalars(select(OutcomeFormer)).all() == []
