"""A file of facts goes through the wizard, and its batch can be undone."""

from __future__ import annotations

import io
from collections.abc import Callable

from flask import Flask
from sqlalchemy.orm import Session

from app.models import ImportBatch
from tests.conftest import Person
from tests.facts.conftest import Bank, ago, bank

__all__ = ["bank"]


def test_the_wizard_checks_before_it_imports(
    app: Flask, bank: Bank, session: Session, login: Callable[..., Person]
) -> None:
    manager = login("Manager", username="m1", language="en")
    rows = ["L1001,12,金卡", "L9999,1,", "L1002,much,", "L1003,7,"]
    content = "\n".join(["线索编号,金融资产,等级", *rows]) + "\n"
    form = {"as_of": ago(5), "backfill": "y", "file": (io.BytesIO(content.encode()), "事实.csv")}
    sent = manager.submit("/factview/upload", form)
    batch = int(sent.headers["Location"].rsplit("/", 1)[1])
    columns = manager.get(f"/importbatchview/columns/{batch}").text
    tier = columns.split("客户等级</option>")[0].rsplit('value="', 1)[1].split('"')[0]
    aum = columns.split("assets</option>")[0].rsplit('value="', 1)[1].split('"')[0]
    alone = manager.submit(f"/importbatchview/columns/{batch}", {"column_0": "lead_no"})
    assert "at least one column that has a fact" in alone.text
    matched = {"column_0": "lead_no", "column_1": aum, "column_2": tier}
    assert manager.submit(f"/importbatchview/columns/{batch}", matched).status_code == 302
    work(app, batch)
    review = manager.get(f"/importbatchview/review/{batch}").text
    assert "Values to be stored" in review
    assert "Person not on the lead list" in review
    assert bank.show("L1001") == {}
    manager.submit(f"/importbatchview/start/{batch}")
    work(app, batch)
    page = manager.get(f"/importbatchview/show/{batch}").text
    assert "4 rows read: 3 values stored, 0 unchanged, 2 rows rejected." in page
    assert "A backfill" in page
    shown = bank.show("L1001")
    assert {code: each["value"] for code, each in shown.items()} == {"aum": 12, "tier": "金卡"}
    assert (shown["aum"]["as_of"], shown["aum"]["known_on"]) == (ago(5), ago(5))
    assert "L9999" in manager.get(f"/importbatchview/errors/{batch}").text
    assert manager.submit(f"/importbatchview/action/undo/{batch}").status_code == 302
    assert session.get_one(ImportBatch, batch).status == "undoing"
    assert "The import is being undone" in manager.get(f"/importbatchview/show/{batch}").text
    assert bank.show("L1001") == shown, "the files are a worker's"
    work(app, batch)
    assert bank.show("L1001") == {}
    session.expire_all()
    row = session.get_one(ImportBatch, batch)
    assert (row.status, row.rows_deleted, row.progress) == ("undone", 3, 99)
    assert (
        "3 values removed; the former ones count again." in manager.get(f"/importbatchview/show/{batch}").text
    )
    assert "金融资产" in manager.get("/factview/template").text


def test_a_date_in_the_future_is_refused(bank: Bank, login: Callable[..., Person]) -> None:
    manager = login("Manager", username="m1", language="en")
    form = {"as_of": ago(-3), "file": (io.BytesIO(b"lead_no,aum\nL1001,1\n"), "f.csv")}
    assert "is in the future" in manager.submit("/factview/upload", form).text


def work(app: Flask, batch: int) -> None:
    from app.leads import upload_worker

    with app.app_context():
        upload_worker.work_on(batch)
