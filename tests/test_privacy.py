"""A known ID number, put in wherever a person or system can, is found nowhere afterwards."""

from __future__ import annotations

import gzip
import io
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.exports.jobs import make_export
from app.leads.upload_worker import work_on
from app.models import ImportBatch, Lead
from app.t1.deliveries import ingest_logs
from tests.conftest import Person

KNOWN = "310101199709060963"
OTHER = "330102196302196099"
PHONE = "13911112222"
HEADER = "线索编号,客户姓名,联系电话,身份证号,来源渠道,所属机构\n"
ROWS = (
    f"L1,甲,{PHONE},{KNOWN},官网预约,HZ\n"
    f"L2,乙,12345,{KNOWN},官网预约,HZ\n"  # refused: goes to the error file
    f"{OTHER},丙,13911113333,33010219630219609X,{OTHER},{OTHER}\n"  # wrong check digit, IDs in other columns
    f"L4,{KNOWN},13911114444,{OTHER},官网预约,HZ\n"
)


@pytest.fixture
def everywhere(
    app: Flask, engine: Engine, redis: Redis, caplog: pytest.LogCaptureFixture
) -> Callable[[], Iterator[tuple[str, str]]]:
    """Everything that is kept: (where, content)."""

    def look() -> Iterator[tuple[str, str]]:
        with engine.connect() as connection:
            tables = connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ).all()
            for table in tables:
                for row in connection.scalars(text(f'SELECT t::text FROM "{table}" t')):
                    yield f"table {table}", row
        for path in app.config["SETTINGS"].data_dir.rglob("*"):
            if path.is_file():
                yield f"file {path}", path.name + content(path)
        for key in redis.scan_iter("*"):
            yield "redis", f"{key!r} {redis.dump(key)!r}"
        yield "log", caplog.text

    return look


def content(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pq.read_table(path, partitioning=None).to_pylist())
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")


def test_an_id_number_is_written_nowhere(
    app: Flask,
    session: Session,
    login: Callable[..., Person],
    everywhere: Callable[[], Iterator[tuple[str, str]]],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(tempfile, "tempdir", str(app.config["SETTINGS"].data_dir))
    app.config["SETTINGS"].data_dir.mkdir(parents=True)
    manager = login("Manager")
    upload(app, session, manager)
    refused = manager.submit(
        "/leadview/add", {"name": "丁", "phone": "1", "id_number": OTHER, "status": "active"}
    )
    assert refused.status_code == 200
    manager.submit("/leadview/add", {"name": "丁", "phone": PHONE, "id_number": OTHER, "status": "active"})
    manager.get(f"/leadview/list/?_flt_0_name={KNOWN}")
    deliver(app, tmp_path)
    assert session.query(Lead).count() == 2
    for where, kept in everywhere():
        for number in (KNOWN, OTHER):
            assert number not in kept, where
            assert number.lower() not in kept.lower(), where


def upload(app: Flask, session: Session, manager: Person) -> None:
    """A list through the screen, its import in the background, its error file back."""
    file = (io.BytesIO((HEADER + ROWS).encode()), f"leads-{KNOWN}.csv")
    assert manager.submit("/importbatchview/upload", {"file": file}).status_code == 302
    batch = session.scalars(select(ImportBatch)).one()
    page = manager.get(f"/importbatchview/columns/{batch.id}")
    assert KNOWN not in page.text
    matched = {f"column_{position}": field for field, position in batch.preview["columns"].items()}
    branches = {"name_0": "HZ", "do_0": "create", "branch_0": ""}
    for path, data in (("columns", matched), ("branches", branches), ("start", {})):
        assert manager.submit(f"/importbatchview/{path}/{batch.id}", data).status_code == 302
        with app.app_context():
            work_on(batch.id)
        review = manager.get(f"/importbatchview/review/{batch.id}")
        assert KNOWN not in review.text
        assert OTHER not in review.text
    session.refresh(batch)
    assert (batch.status, batch.rows_created, batch.upload) == ("done", 1, None)
    assert batch.rejected == {"invalid_phone": 1, "invalid_id_number": 1, "missing_name": 1}
    errors = manager.get(f"/importbatchview/errors/{batch.id}")
    assert errors.status_code == 200
    assert KNOWN not in errors.text
    assert not list(app.config["SETTINGS"].data_dir.glob("uploads/*"))


def deliver(app: Flask, folder: Path) -> None:
    """A log whose provider put ID numbers where the hash belongs, and elsewhere."""
    row = {
        "request_id": f"r-{OTHER}",
        "event_time": "2026-10-26 10:00:00",
        "event_type": "face_verify",
        "institution_code": "I-1",
        "id_hash": KNOWN,
        "result": "success",
        "note": KNOWN,
    }
    (folder / "log.jsonl").write_text(f'{json.dumps(row)}\n{{"cut-off": "{KNOWN}\n', "utf-8")
    with app.app_context():
        found = ingest_logs(app.config["SETTINGS"], [folder / "log.jsonl"]).as_json()
    assert found["rejected"] == {"bad_id_hash": 1, "malformed_line": 1}


def test_phones_are_not_kept_in_clear(
    app: Flask,
    session: Session,
    login: Callable[..., Person],
    everywhere: Callable[[], Iterator[tuple[str, str]]],
) -> None:
    manager = login("Manager")
    manager.submit("/leadview/add", {"name": "丁", "phone": PHONE, "id_number": OTHER, "status": "active"})
    assert session.scalars(select(Lead.phone_masked)).all() == ["139****2222"]
    found = manager.submit("/leadview/search", {"_flt_0_phone_index": PHONE, "_flt_0_name": ""})
    assert found.status_code == 302
    assert PHONE not in found.headers["Location"]
    page = manager.get(found.headers["Location"]).text
    assert "丁" in page
    assert PHONE not in page
    assert manager.get(f"/leadview/list/?_flt_0_phone_index={PHONE}").status_code == 400
    other = manager.submit("/leadview/search", {"_flt_0_phone_index": "13911110000"})
    assert "丁" not in manager.get(other.headers["Location"]).text
    wrong = manager.submit("/leadview/search", {"_flt_0_phone_index": "12"})
    assert wrong.headers["Location"] == "/leadview/list/"
    assert not [where for where, kept in everywhere() if PHONE in kept or PHONE.encode().hex() in kept]


def test_a_number_that_was_looked_at_searched_for_and_exported_is_kept_nowhere(
    app: Flask,
    session: Session,
    login: Callable[..., Person],
    everywhere: Callable[[], Iterator[tuple[str, str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = login("Admin")
    admin.submit("/leadview/add", {"name": "丁", "phone": PHONE, "id_number": OTHER, "status": "active"})
    lead = session.scalars(select(Lead.id)).one()
    shown = admin.submit(f"/leadview/reveal/{lead}", {"reason": f"{PHONE} {OTHER} 要求回电"})
    assert shown.get_json()["phone"] == PHONE
    for typed in (PHONE, OTHER, KNOWN):
        assert admin.submit("/subjectrequestview/find", {"number": typed}).status_code == 200
    admin.submit(f"/subjectrequestview/file/{lead}")
    for query in ("", f"?_flt_0_name={PHONE}", f"?_flt_0_name={OTHER}"):
        asked = admin.submit(f"/leadview/export_all{query}", {"format": "csv"})
        with app.app_context():
            make_export(int(asked.headers["Location"].rsplit("/", 1)[1]))
    assert len(list(app.config["SETTINGS"].data_dir.glob("exports/*.csv"))) == 3
    for where, kept in everywhere():
        assert [n for n in (PHONE, OTHER, KNOWN, PHONE.encode().hex()) if n in kept] == [], where
