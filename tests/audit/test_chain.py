"""Tampering by a superuser with disabled triggers is detected, with the first bad entry."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, text

from app import doctor
from app.audit.chain import seal
from app.audit.verify import Verdict, verify
from config import ConfigError, Settings, load_settings
from tests.audit.sealing import seal_all
from tests.database import libpq, superuser

Tamper = Callable[..., None]


@pytest.fixture
def written(app: Flask, engine: Engine, settings: Settings) -> list[int]:
    """Write three links of ten entries each. Return the ids in the order of the chain."""
    for link in range(3):
        for number in range(10):
            write(engine, f"I-{link}{number}")
        assert seal_all(engine, settings) >= 10
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT id FROM change_log ORDER BY xid, id")))


def write(engine: Engine, code: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO institution (code, name) VALUES (:code, 'x')"), {"code": code})


@pytest.fixture
def tamper(engine: Engine) -> Tamper:
    def do(statement: str, *values: Any) -> None:
        with superuser(engine.url) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement, values)

    return do


def test_a_whole_chain_is_found_whole(
    written: list[int], engine: Engine, settings: Settings, cli: Callable[..., Any]
) -> None:
    write(engine, "NEW")
    answer = cli("audit", "verify", "--json")
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert list(told) == ["ok", "entries", "head", "first_bad"]
    assert (told["ok"], told["entries"], told["first_bad"]) == (True, len(written) + 1, None)
    lines = (settings.data_dir / "audit" / "checkpoints.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["head"] == told["head"]
    assert (settings.data_dir / "audit" / "checkpoints.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_entry_at_all_is_whole(app: Flask, engine: Engine, settings: Settings) -> None:
    assert verify(engine, settings) == Verdict(True, 0, "0" * 64, None)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (0, "actor = 'somebody else'"),
        (13, "changes = changes || '{\"status\": [1, 2]}'"),
        (13, "time = time + interval '1 microsecond'"),
        (29, "digest = 'x'"),
        (29, "object_id = object_id || ' '"),
    ],
)
def test_a_changed_entry_is_found(
    place: int, change: str, written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper(f"UPDATE change_log SET {change} WHERE id = %s", written[place])
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.first_bad) == (False, written[place])


@pytest.mark.parametrize("place", [0, 13, 29])
def test_a_deleted_entry_is_found(
    place: int, written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper("DELETE FROM change_log WHERE id = %s", written[place])
    assert verify(engine, settings).first_bad == written[place]


@pytest.mark.parametrize("place", [0, 13, 29])
def test_an_entry_put_in_is_found(
    place: int, written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    columns = "time, xid, kind, object, object_id, actor, source, address, request, db_user, changes"
    tamper(
        f"INSERT INTO change_log (id, {columns}) SELECT 999999, {columns} FROM change_log WHERE id = %s",
        written[place],
    )
    assert verify(engine, settings).first_bad == 999999


def test_entries_in_another_order_are_found(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    one, other = written[4], written[17]
    tamper(
        "UPDATE change_log SET xid = CASE id WHEN %s THEN (SELECT xid FROM change_log WHERE id = %s)"
        " ELSE (SELECT xid FROM change_log WHERE id = %s) END WHERE id IN (%s, %s)",
        *(one, other, one, one, other),
    )
    assert verify(engine, settings).first_bad == one


def test_an_emptied_log_is_found(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper("TRUNCATE change_log")
    assert verify(engine, settings).first_bad == written[0]


@pytest.mark.parametrize("how", ["DROP TABLE {}", "ALTER TABLE change_log DETACH PARTITION {}"])
def test_a_month_taken_away_whole_is_found(
    how: str, written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    """The first half of the entries is turned into a past month, which is then dropped."""
    tamper(
        "CREATE TABLE audit.old PARTITION OF change_log"
        " FOR VALUES FROM ('2019-01-01 00:00+00') TO ('2019-02-01 00:00+00')"
    )
    tamper("UPDATE change_log SET time = '2019-01-05' WHERE id <= %s", written[14])
    with superuser(engine.url) as connection:
        rehash(connection)
    (settings.data_dir / "audit" / "checkpoints.jsonl").unlink()
    assert verify(engine, settings).ok
    tamper(how.format("audit.old"))
    tamper("DROP TABLE IF EXISTS audit.old")
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.first_bad) == (False, written[0])


def test_a_checkpoint_that_was_edited_is_found(
    written: list[int], engine: Engine, settings: Settings
) -> None:
    path = settings.data_dir / "audit" / "checkpoints.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    told = json.loads(lines[1])
    path.write_text("".join([lines[0], json.dumps(told | {"head": "0" * 64}) + "\n", *lines[2:]]))
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.first_bad) == (False, written[10])


def test_a_cut_tail_is_found_by_the_checkpoints(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper("DELETE FROM change_log WHERE id > %s", written[9])
    tamper("DELETE FROM change_seal WHERE seq > 1")
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.entries, verdict.first_bad) == (False, 10, written[10])


def test_a_cut_tail_that_grew_again_is_found(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper("DELETE FROM change_log WHERE id > %s", written[19])
    tamper("DELETE FROM change_seal WHERE seq > 2")
    write(engine, "GROWN")
    assert not verify(engine, settings).ok


def test_everything_emptied_is_found(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper("TRUNCATE change_log, change_seal")
    assert verify(engine, settings).first_bad == written[0]


def test_a_chain_made_anew_is_found_by_the_checkpoints(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper, tmp_path: Path
) -> None:
    tamper("UPDATE change_log SET actor = 'x' WHERE id = %s", written[13])
    tamper("DELETE FROM change_seal WHERE seq > 1")
    seal(engine, dataclasses.replace(settings, data_dir=tmp_path / "forger"))
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.first_bad) == (False, written[10])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE change_seal SET head = sha256('x') WHERE seq = 2",
        "UPDATE change_seal SET hashes = hashes || sha256('x') WHERE seq = 2",
        "UPDATE change_seal SET entries = array_remove(entries, entries[1]) WHERE seq = 2",
        "DELETE FROM change_seal WHERE seq = 2",
        "UPDATE change_seal SET to_xid = to_xid - 1 WHERE seq = 1",
        "UPDATE change_seal SET total = 3 WHERE seq = 2",
    ],
)
def test_a_link_that_was_bent_is_found(
    statement: str, written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    tamper(statement)
    verdict = verify(engine, settings)
    assert not verdict.ok
    assert verdict.entries <= 10


def test_the_command_says_what_is_bad(written: list[int], cli: Callable[..., Any], tamper: Tamper) -> None:
    tamper("UPDATE change_log SET actor = 'x' WHERE id = %s", written[13])
    answer = cli("audit", "verify", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["first_bad"] == written[13]
    assert str(written[13]) in answer.stderr


def test_the_second_file_of_checkpoints_finds_what_the_first_can_not(
    engine: Engine, app: Flask, settings: Settings, tamper: Tamper, tmp_path: Path
) -> None:
    elsewhere = dataclasses.replace(settings, audit_checkpoint_path=tmp_path / "far" / "checkpoints")
    write(engine, "A")
    seal(engine, elsewhere)
    tamper("TRUNCATE change_log, change_seal")
    (settings.data_dir / "audit" / "checkpoints.jsonl").unlink()
    assert verify(engine, settings).ok
    assert not verify(engine, elsewhere).ok


def test_the_path_of_the_second_file_is_checked(tmp_path: Path) -> None:
    for wrong in ("checkpoints", str(tmp_path)):
        with pytest.raises(ConfigError, match="AUDIT_CHECKPOINT_PATH"):
            load_settings({"DATA_DIR": str(tmp_path), "AUDIT_CHECKPOINT_PATH": wrong})


def test_a_file_of_checkpoints_that_was_bent_is_refused(
    written: list[int], settings: Settings, cli: Callable[..., Any]
) -> None:
    path = settings.data_dir / "audit" / "checkpoints.jsonl"
    path.write_text("x\n" + path.read_text())
    answer = cli("audit", "verify")
    assert answer.exit_code == 1
    assert "line 1" in answer.stderr


def doctor_says(cli: Callable[..., Any]) -> Any:
    return json.loads(cli("doctor", "--json").stdout)["checks"]["change_log"]


def test_entries_wait_for_transactions_that_began_before_and_the_doctor_says_whose(
    app: Flask, engine: Engine, settings: Settings, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.connect() as slow:
        slow.execute(text("INSERT INTO institution (code, name) VALUES ('SLOW', 'x')"))
        write(engine, "FAST")
        assert seal(engine, settings) == 0
        told = doctor_says(cli)
        assert told["ok"]
        assert re.search(r"entries not sealed since [\d -:]+: 1$", told["detail"])
        monkeypatch.setattr(doctor, "LONGEST_TRANSACTION", dt.timedelta())
        told = doctor_says(cli)
        assert not told["ok"]
        assert "lead_monitor pid" in told["detail"]
        slow.commit()
    assert seal_all(engine, settings) == 2
    assert verify(engine, settings).entries == 2


def test_a_transaction_of_another_database_holds_nothing_up(
    app: Flask, engine: Engine, settings: Settings
) -> None:
    with psycopg.connect(libpq(engine.url.set(database="postgres"))) as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        write(engine, "HERE")
        assert seal_all(engine, settings) == 1
        assert verify(engine, settings) == Verdict(True, 1, ANY, None)


def test_several_sealers_and_writers_at_once(app: Flask, engine: Engine, settings: Settings) -> None:
    def writes(name: str) -> None:
        for number in range(40):
            write(engine, f"{name}-{number}")

    done = threading.Event()

    def seals() -> None:
        while not done.is_set():
            seal(engine, settings)

    writers = [threading.Thread(target=writes, args=(name,)) for name in "AB"]
    sealers = [threading.Thread(target=seals) for _ in range(2)]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in sealers:
        thread.join()
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.entries) == (True, 80)


def test_the_checkpoint_a_full_disk_prevented_is_made_up_for(
    written: list[int], engine: Engine, settings: Settings
) -> None:
    path = settings.data_dir / "audit" / "checkpoints.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    seal(engine, settings)
    assert path.read_text() == "".join(lines)


def test_a_database_restored_on_another_server_goes_on(
    written: list[int], engine: Engine, settings: Settings, tamper: Tamper
) -> None:
    """On another server transaction numbers start again, as if all entries so far were of later ones."""
    tamper("UPDATE change_log SET xid = xid + 1000000")
    tamper("UPDATE change_seal SET from_xid = from_xid + 1000000 WHERE seq > 1")
    tamper("UPDATE change_seal SET to_xid = to_xid + 1000000")
    with superuser(engine.url) as connection:
        rehash(connection)
    (settings.data_dir / "audit" / "checkpoints.jsonl").unlink()
    write(engine, "NEW-1")
    write(engine, "NEW-2")
    seal(engine, settings)
    write(engine, "NEW-3")
    verdict = verify(engine, settings)
    assert (verdict.ok, verdict.entries) == (True, len(written) + 3)
    tamper("DELETE FROM change_log WHERE id = (SELECT max(id) FROM change_log)")
    assert not verify(engine, settings).ok


def rehash(connection: psycopg.Connection) -> None:
    """Rebuild the chain after ``xid`` of every entry was changed."""
    from app.audit.chain import ENTRY_HASH, GENESIS, chain_hashes

    connection.execute("SET session_replication_role = replica")
    connection.execute("SET timezone = 'UTC'")
    head = GENESIS
    for seq, ids in connection.execute("SELECT seq, entries FROM change_seal ORDER BY seq").fetchall():
        query = f"SELECT {ENTRY_HASH} FROM change_log WHERE id = ANY (%s) ORDER BY xid, id"
        hashes = list(chain_hashes(head, [row[0] for row in connection.execute(query, [ids])]))
        head = hashes[-1]
        values = [b"".join(hashes), head, seq]
        connection.execute("UPDATE change_seal SET hashes = %s, head = %s WHERE seq = %s", values)
