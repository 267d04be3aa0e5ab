"""Archived months are removed from the database and stay verifiable."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from app.audit.chain import seal
from app.audit.verify import verify
from config import Settings
from tests.audit.sealing import seal_all
from tests.audit.test_chain import write
from tests.database import superuser

PARTITION = "change_log_2020_01"


@pytest.fixture
def archive(app: Flask, engine: Engine, settings: Settings, cli: Callable[..., Any]) -> Path:
    """Archive six entries of January, which share transactions with later ones."""
    with superuser(engine.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"DROP TABLE IF EXISTS audit.{PARTITION}")
        connection.execute(
            f"CREATE TABLE audit.{PARTITION} PARTITION OF change_log"
            " FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')"
        )
        connection.execute(f"ALTER TABLE audit.{PARTITION} OWNER TO lead_monitor")
        for number in range(9):
            connection.execute(
                "INSERT INTO change_log (id, time, xid, kind, object, actor, source, address, request,"
                " db_user) VALUES (%s, %s, %s, 'x', 'y', '王', 'sql', '', '', 'z')",
                [number + 1, ("2020-01-31", "2020-01-31", "2020-03-01")[number % 3], 10 + number // 2],
            )
    write(engine, "NEW")
    assert seal_all(engine, settings) == 10
    answer = cli("audit", "archive", "--before", "2020-02", "--json")
    assert answer.exit_code == 0, answer.stderr
    [told] = json.loads(answer.stdout)["archived"]
    assert (told["month"], told["entries"]) == ("2020-01", 6)
    return Path(told["file"])


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def test_an_archived_month_is_gone_from_the_database_and_still_verified(
    archive: Path, engine: Engine, settings: Settings, cli: Callable[..., Any]
) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM change_log WHERE time < '2020-02-01'")) == 0
        assert connection.scalar(text(f"SELECT to_regclass('audit.{PARTITION}')")) is None
        noted = connection.execute(
            text("SELECT title, changes FROM change_log WHERE kind = 'archived'")
        ).one()
    assert noted.title == archive.name
    assert noted.changes["entries"] == 6
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.entries) == (True, 11)
    assert archive.stat().st_mode & 0o777 == 0o600
    again = cli("audit", "archive", "--before", "2020-02", "--json")
    assert json.loads(again.stdout) == {"archived": []}


@pytest.mark.parametrize("bend", ["change", "drop", "add", "remove the file"])
def test_what_was_done_to_an_archive_is_found(
    bend: str, archive: Path, engine: Engine, settings: Settings
) -> None:
    kept = lines(archive)
    ids = [json.loads(line)[0] for line in kept]
    if bend == "change":
        kept[3] = kept[3].replace("王".encode(), "李".encode())
    elif bend == "drop":
        del kept[3]
    elif bend == "add":
        kept.insert(3, kept[3].replace(f"[{ids[3]}".encode(), b"[77"))
    archive.write_bytes(gzip.compress(b"".join(kept)))
    if bend == "remove the file":
        archive.unlink()
    first_bad = {"add": 77, "remove the file": ids[0]}.get(bend, ids[3])
    assert verify(engine, settings).first_bad == first_bad


def test_a_file_that_is_no_archive_is_refused(archive: Path, cli: Callable[..., Any]) -> None:
    archive.write_bytes(b"x")
    answer = cli("audit", "verify")
    assert answer.exit_code == 1
    assert archive.name in answer.stderr


def test_the_present_month_stays(app: Flask, cli: Callable[..., Any]) -> None:
    assert cli("audit", "archive", "--before", "2999-01").exit_code == 2


def test_a_log_that_was_bent_is_not_archived(
    app: Flask, engine: Engine, settings: Settings, cli: Callable[..., Any]
) -> None:
    write(engine, "A")
    seal(engine, settings)
    with superuser(engine.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE change_log SET actor = 'x'")
    assert cli("audit", "archive", "--before", "2020-02").exit_code == 1
