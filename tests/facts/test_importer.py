"""Import of files of facts by the command, their reject reasons, undo, and what a crash leaves."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from redis import Redis
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app import retention
from app.activity import store as activity
from app.jobs import daily, health, ticker
from app.leads import subject
from app.leads.identity import IdHasher
from app.models import ImportBatch, Lead
from tests import clock
from tests.facts.conftest import TODAY, Bank, ago
from tests.leads.support import id_number, write_csv, write_xlsx


def test_each_kind_comes_back_as_json(bank: Bank) -> None:
    header = ["线索编号", "金融资产", "客户等级", "due", "代发客户", "年龄", "备注信息", "别的"]
    row = ["L1001", "￥1,234.50", "金卡", "2027年1月31日", "是", "41", "大额存单 100000", "x"]
    done = bank.rows(header, row, options=["--as-of", ago(3)])
    assert done["batch"] > 0
    assert (done["read"], done["stored"], done["unchanged"], done["rejected"]) == (1, 6, 0, {})
    assert done["error_file"] is None
    shown = bank.show("L1001")
    assert {code: each["value"] for code, each in shown.items()} == {
        "aum": 1234.5,
        "tier": "金卡",
        "due": "2027-01-31",
        "payroll": True,
        "age": 41,
        "note": "大额存单 100000",
    }
    assert (shown["aum"]["as_of"], shown["aum"]["known_on"]) == (ago(3), ago(1))
    assert bank.show("L1001", "--as-of", ago(2)) == {}
    assert bank.show("L1002") == {}


def test_a_person_by_any_of_three_columns_and_a_date_of_its_own(bank: Bank, settings: Any) -> None:
    hashed = IdHasher(settings.id_hash_algorithm, settings.id_hash_key).hash(id_number(3))
    done = bank.rows(
        ["lead_no", "id_number", "id_hash", "as_of", "aum"],
        ["L1001", "", "", "", "1"],
        ["", id_number(2), "", ago(9), "2"],
        ["", "", hashed, ago(5), "3"],
        ["", "", hashed, ago(6), "4"],
        ["L1004", "", "", ago(2), ""],
    )
    assert (done["stored"], done["rejected"]) == (4, {})
    dated = {number: bank.show(f"L{number}").get("aum", {}).get("as_of") for number in range(1001, 1005)}
    assert dated == {1001: ago(1), 1002: ago(9), 1003: ago(5), 1004: None}


def test_every_reject_reason(bank: Bank) -> None:
    done = bank.rows(
        ["lead_no", "id_number", "as_of", "aum", "tier", "note"],
        ["", "", "", "1", "", ""],
        ["", "330106195001010000", "", "1", "", ""],
        ["L9999", "", "", "much", "", ""],
        ["L1001", id_number(2), "", "1", "", ""],
        ["L1001", "", "", "much", "", ""],
        ["L1001", "", "", "1", "白金", ""],
        ["L1001", "", "", "1", "", id_number(4)],
        ["L1001", "", "", "1", "", "6222021234567894"],
        ["L1001", "", "soon", "1", "", ""],
        ["L1001", "", (TODAY + dt.timedelta(days=1)).isoformat(), "1", "", ""],
        ["L1001", "", "", "1", "", ""],
        ["", id_number(1), "", "2", "", ""],
    )
    assert done["rejected"] == {
        "missing_id": 1,
        "invalid_id_number": 1,
        "unknown_lead": 2,
        "bad_value": 4,
        "bad_as_of": 2,
        "duplicate_in_file": 1,
    }
    assert (done["read"], done["stored"]) == (12, 1)
    written = Path(done["error_file"]).read_text("utf-8-sig")
    assert len(list(csv.reader(written.splitlines()))) == 12
    assert "原因代码 reason" in written
    assert id_number(4) not in written
    assert "6222021234567894" not in written


def test_a_dry_run_writes_nothing(bank: Bank, settings: Any, session: Session) -> None:
    done = bank.rows(["lead_no", "aum"], ["L1001", "5"], ["L9", "5"], options=["--dry-run"])
    assert (done["batch"], done["stored"], done["error_file"]) == (None, 1, None)
    assert done["rejected"] == {"unknown_lead": 1}
    assert bank.show("L1001") == {}
    assert session.scalars(select(ImportBatch).where(ImportBatch.kind == "facts")).all() == []
    assert activity.snapshot(settings.data_dir / "activity").facts == ()


def test_the_same_file_again_changes_nothing_and_a_backfill_says_so(bank: Bank, session: Session) -> None:
    rows = [["lead_no", "aum", "tier"], ["L1001", "5", "金卡"], ["L1002", "6", ""]]
    assert bank.rows(*rows, options=["--as-of", ago(30)])["stored"] == 3
    again = bank.rows(*rows, options=["--as-of", ago(30)])
    assert (again["stored"], again["unchanged"]) == (0, 3)
    assert bank.show("L1001", "--as-of", ago(20)) == {}
    back = bank.rows(*rows, options=["--as-of", ago(30), "--backfill"])
    assert back["stored"] == 3
    assert bank.show("L1001", "--as-of", ago(20))["aum"]["known_on"] == ago(30)
    batch = session.get_one(ImportBatch, back["batch"])
    assert batch.options == {"as_of": ago(30), "backfill": True}
    assert (batch.kind, batch.status, batch.rows_created, batch.created_by != "") == (
        "facts",
        "done",
        3,
        True,
    )


def test_workbooks_and_parquet(bank: Bank, tmp_path: Path) -> None:
    book = write_xlsx(tmp_path / "f.xlsx", {"一": [["线索编号", "金融资产"], ["L1001", 7.5], ["L9999", 1]]})
    done = bank.file(book)
    assert (done["stored"], done["error_file"][-5:]) == (1, ".xlsx")
    table = pa.table(
        {
            "lead_no": ["L1002", "L1003"],
            "aum": pa.array([8.25, None]),
            "due": pa.array([dt.date(2027, 1, 31), None]),
            "payroll": [False, True],
        }
    )
    pq.write_table(table, tmp_path / "f.parquet")
    done = bank.file(tmp_path / "f.parquet")
    assert (done["read"], done["stored"], done["rejected"]) == (2, 4, {})
    values = {code: each["value"] for code, each in bank.show("L1002").items()}
    assert values == {"aum": 8.25, "due": "2027-01-31", "payroll": False}


def test_errors_name_the_row_whether_it_is_read_alone_or_with_its_column(bank: Bank) -> None:
    """The same rows, plain, with a short row (read row by row from there on), and all in quotation marks."""
    rows = [
        "lead_no,aum,tier",
        "L1001,5,金卡",
        ",,",
        "L1002,much,",
        "L1003,7,白金",
        "L1003,.5,普通",
        "L9999,1,",
    ]
    quoted = [",".join(f'"{cell}"' for cell in row.split(",")) for row in rows]
    short = [*rows[:5], "L1004", *rows[5:]]
    for lines, read, numbers in ((rows, 5, [4, 5, 7]), (quoted, 5, [4, 5, 7]), (short, 6, [4, 5, 8])):
        path = bank.folder / "numbered.csv"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        done = bank.file(path)
        assert (done["read"], done["rejected"]) == (read, {"bad_value": 2, "unknown_lead": 1})
        with Path(done["error_file"]).open(encoding="utf-8-sig") as written:
            refused = list(csv.DictReader(written))
        assert [int(row["行号 row"]) for row in refused] == numbers
        assert [row["lead_no"] for row in refused] == ["L1002", "L1003", "L9999"]
        assert "much" in refused[0]["原因 explanation"]
        assert bank.show("L1003")["aum"]["value"] == 0.5
        bank.cli("facts", "undo", done["batch"])


@pytest.mark.parametrize(
    "content", ["", "lead_no,other\nL1001,1\n", "aum\n1\n", "lead_no,aum,金融资产\nL1001,1,1\n"]
)
def test_a_file_without_what_it_needs_is_refused_whole(bank: Bank, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content, "utf-8")
    refused = bank.cli("facts", "import", path, "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["rejected"] == {"unreadable_file": 1}


def test_refused_arguments(bank: Bank) -> None:
    path = write_csv(bank.folder / "f.csv", [["lead_no", "aum"], ["L1001", "1"]])
    ahead = (TODAY + dt.timedelta(days=1)).isoformat()
    assert bank.cli("facts", "import", path, "--as-of", ahead).exit_code == 1
    assert bank.cli("facts", "show", "L9999").exit_code == 1
    assert bank.cli("facts", "undo", "99").exit_code == 1


def test_undo_by_command(bank: Bank, session: Session) -> None:
    bank.rows(["lead_no", "aum"], ["L1001", "5"])
    second = bank.rows(["lead_no", "aum"], ["L1001", "6"])
    assert bank.show("L1001")["aum"]["value"] == 6
    undone = bank.cli("facts", "undo", second["batch"], "--json")
    assert json.loads(undone.stdout) == {"removed": 1}
    assert bank.show("L1001")["aum"]["value"] == 5
    batch = session.get_one(ImportBatch, second["batch"])
    assert (batch.status, batch.rows_deleted) == ("undone", 1)
    assert bank.cli("facts", "undo", second["batch"]).exit_code == 1


def test_an_import_that_fails_after_storing_takes_its_values_back(
    bank: Bank, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    path = write_csv(bank.folder / "f.csv", [["lead_no", "aum"], ["L1001", "1"]])
    with monkeypatch.context() as patched:
        patched.setattr("app.leads.importer._Run._close", fail)
        bank.cli("facts", "import", path)
    assert bank.show("L1001") == {}
    assert session.scalars(select(ImportBatch.status).order_by(ImportBatch.id.desc())).first() == "failed"
    with monkeypatch.context() as patched:
        patched.setattr("app.leads.importer._Run._close", fail)
        patched.setattr("app.facts.importer.FactIntake.take_back", lambda self: None)
        bank.cli("facts", "import", path)
    assert bank.show("L1001") != {}, "as after a kill"
    assert bank.rows(["lead_no", "aum"], ["L1002", "1"])["stored"] == 1
    assert bank.show("L1001") == {}


def test_a_data_subject_gets_all_values_and_erasure_and_retention_end_them(
    bank: Bank, app: Any, session: Session, settings: Any
) -> None:
    bank.rows(["lead_no", "aum"], ["L1001", "5"], ["L1002", "6"], options=["--as-of", ago(9)])
    bank.rows(["lead_no", "aum"], ["L1001", "7"], ["L1003", "8"], options=["--as-of", ago(8)])
    with app.app_context():
        lead = subject.get_lead(lead_id(session, "L1001"))
        assert lead is not None
        held = subject.collect_data(lead, "admin", "export")["facts"]
        assert [(each["as_of"], each["value"], each["purpose"]) for each in held] == [
            (ago(9), 5, "marketing"),
            (ago(8), 7, "marketing"),
        ]
        subject.erase(lead, "L1001", "客户书面申请", "admin", suppress=False)
    assert stored(settings) == {lead_id(session, "L1002"), lead_id(session, "L1003")}
    session.execute(delete(Lead).where(Lead.lead_no == "L1003"))
    session.commit()
    with app.app_context():
        assert retention.run(session.get_bind(), settings, clock.now())["facts"] == 1
    assert stored(settings) == {lead_id(session, "L1002")}


def test_without_redis_the_days_work_is_asked_for_again(app: Any, settings: Any) -> None:
    with app.app_context():
        app.config["SETTINGS"] = dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0")
        ticker.tick(clock.now(), done := {})
        assert not done.keys() & {"facts", "control_group", "retention"}
        assert {"facts", "control_group", "retention"} <= {step.name for step in health.failing()}


def test_old_facts_are_a_workers_work_whose_failure_is_shown(
    bank: Bank, app: Any, session: Session, settings: Any, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.rows(["lead_no", "aum"], ["L1001", "5"], ["L1002", "6"], options=["--as-of", ago(9)])
    session.execute(delete(Lead).where(Lead.lead_no == "L1001"))
    session.commit()
    with app.app_context():
        ticker.tick(clock.now(), done := {})
        assert set(redis.lrange("rq:queue:default", 0, -1)) == {
            f"app-jobs-daily-{name}-0-0".encode()
            for name in ("facts", "control_group", "retention", "contact_statement")
        }
        assert done.keys() >= {"facts", "control_group", "retention"}
        assert len(stored(settings)) == 2, "the ticker itself rewrites nothing"
        with monkeypatch.context() as patch:
            patch.setattr(daily.subject, "purge", lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                daily.facts(0)
        assert [step.name for step in health.failing()] == ["facts"]
        daily.facts(0)
        assert health.failing() == []
    assert stored(settings) == {lead_id(session, "L1002")}


def lead_id(session: Session, lead_no: str) -> int:
    return session.scalars(select(Lead.id).where(Lead.lead_no == lead_no)).one()


def stored(settings: Any) -> set[int]:
    """Return the leads with a value in a current file."""
    state = activity.snapshot(settings.data_dir / "activity")
    return {
        lead for file in state.facts for lead in pq.read_table(state.root / file.name)["lead"].to_pylist()
    }
