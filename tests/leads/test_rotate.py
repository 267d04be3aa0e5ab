"""Rotation of the phone keys: complete, interrupted, repeated and concurrent."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.jobs.locks import Lock
from app.leads.errors import LeadsError
from app.leads.masking import mask_phone
from app.leads.phone import PhoneVault
from app.leads.rotate import rotate
from app.models import Lead
from config import Settings
from tests.conftest import Person

CRASH = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
from app.leads.rotate import rotate
from config import load_settings

def crash(done, total):
    if done >= 4:
        os.kill(os.getpid(), signal.SIGKILL)

settings = load_settings()
rotate(create_engine(settings.database_url), settings, rows=2, progress=crash)
"""


def phone(number: int) -> str:
    return f"1380000{number:04d}"


@pytest.fixture
def leads(session: Session, settings: Settings) -> list[int]:
    """Ten leads under the first key, one of them deleted."""
    vault = PhoneVault.of(settings)
    for number in range(10):
        session.add(
            Lead(
                name="甲",
                id_hash=f"{number:064x}",
                phone_cipher=vault.encrypt(phone(number)),
                phone_index=vault.index(phone(number)),
                phone_masked=mask_phone(phone(number)),
            )
        )
    session.flush()
    session.execute(text("UPDATE lead SET deleted_at = now() WHERE phone_masked = '138****0009'"))
    session.commit()
    return list(session.scalars(select(Lead.id).order_by(Lead.id)))


@pytest.fixture
def newer(settings: Settings) -> Settings:
    return dataclasses.replace(
        settings,
        pii_key="n" * 40,
        pii_key_version=2,
        pii_keys_old=((1, settings.pii_key),),
        pii_cipher="sm4-gcm",
    )


def phones(engine: Engine, settings: Settings) -> list[str]:
    vault = PhoneVault.of(settings)
    with engine.connect() as connection:
        ciphers = connection.scalars(text("SELECT phone_cipher FROM lead ORDER BY id")).all()
    return [vault.decrypt(bytes(cipher)) for cipher in ciphers]


def headers(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT get_byte(phone_cipher, 0) FROM lead ORDER BY id")))


@pytest.mark.parametrize("rows", [1, 3, 10, 11])
def test_every_number_comes_under_the_new_key(
    rows: int, leads: list[int], engine: Engine, newer: Settings
) -> None:
    assert rotate(engine, newer, rows=rows) == {"rotated": 10, "undecipherable": 0, "version": 2}
    assert headers(engine) == [0x82] * 10
    alone = dataclasses.replace(newer, pii_keys_old=())
    assert phones(engine, alone) == [phone(n) for n in range(10)]
    assert rotate(engine, newer)["rotated"] == 0


def test_a_lead_is_found_by_phone_before_between_and_after(
    leads: list[int], app: Flask, engine: Engine, newer: Settings, login: Callable[..., Person]
) -> None:
    app.config["SETTINGS"] = newer
    manager = login("Manager")

    def found() -> list[bool]:
        typed = [{"_flt_0_phone_index": phone(n)} for n in (0, 8)]
        pages = [manager.submit("/leadview/search", each, follow_redirects=True).text for each in typed]
        return ["/leadview/show/" in page for page in pages]

    assert found() == [True, True]
    with pytest.raises(InterruptedError):
        rotate(engine, newer, rows=2, progress=interrupt)
    assert headers(engine) == [0x82] * 2 + [1] * 8
    assert found() == [True, True]
    rotate(engine, newer)
    assert found() == [True, True]


def interrupt(done: int, total: int) -> None:
    raise InterruptedError


def test_killed_between_batches_and_run_again(
    leads: list[int], engine: Engine, newer: Settings, sample_env: dict[str, str]
) -> None:
    env = sample_env | environment(newer)
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", CRASH], cwd=root, env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    with engine.connect() as connection:  # the server lets the lock go when it notices
        connection.execute(text("SELECT pg_advisory_lock(:k)"), {"k": int(Lock.ROTATION)})
        connection.execute(text("SELECT pg_advisory_unlock(:k)"), {"k": int(Lock.ROTATION)})
    assert headers(engine) == [0x82] * 4 + [1] * 6
    assert rotate(engine, newer, rows=4)["rotated"] == 6
    assert phones(engine, newer) == [phone(n) for n in range(10)]


def environment(settings: Settings) -> dict[str, str]:
    return {
        "PII_KEY": settings.pii_key,
        "PII_KEYS_OLD": ",".join(f"{version}:{key}" for version, key in settings.pii_keys_old),
        "PII_CIPHER": settings.pii_cipher,
    }


def test_two_at_once(leads: list[int], engine: Engine, newer: Settings) -> None:
    refused = []

    def second(done: int, total: int) -> None:
        with pytest.raises(LeadsError) as caught:
            rotate(engine, newer)
        refused.append(caught.value.code)

    assert rotate(engine, newer, rows=5, progress=second)["rotated"] == 10
    assert refused == ["rotation_running"] * 2
    assert rotate(engine, newer)["rotated"] == 0


def test_a_phone_changed_meanwhile_is_kept(leads: list[int], engine: Engine, newer: Settings) -> None:
    vault = PhoneVault.of(newer)

    def change(done: int, total: int) -> None:
        with engine.begin() as connection:
            values = {"c": vault.encrypt("13911112222"), "id": leads[-1]}
            connection.execute(text("UPDATE lead SET phone_cipher = :c WHERE id = :id"), values)

    rotate(engine, newer, rows=5, progress=change)
    assert phones(engine, newer)[-1] == "13911112222"


def test_the_command_reports_and_leaves_what_it_cannot_read(
    leads: list[int], app: Flask, engine: Engine, newer: Settings, cli: Callable[..., Any]
) -> None:
    foreign = PhoneVault("somebody else's key").encrypt("13911112222")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE lead SET phone_cipher = :c WHERE id = :id"), {"c": foreign, "id": leads[4]}
        )
    app.config["SETTINGS"] = newer
    result = cli("pii", "rotate", "--batch", "3", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"rotated": 9, "undecipherable": 1, "version": 2}
    assert "10 of 10" in result.stderr
    assert headers(engine).count(1) == 1
    assert phone(0) not in result.output
    assert newer.pii_key not in result.output


def test_the_index_key_lets_the_oldest_key_go(
    leads: list[int], app: Flask, settings: Settings, newer: Settings, cli: Callable[..., Any]
) -> None:
    printed = cli("pii", "index-key").stdout.strip()
    alone = dataclasses.replace(newer, pii_keys_old=(), pii_index_key=printed)
    assert PhoneVault.of(alone).index(phone(1)) == PhoneVault.of(settings).index(phone(1))


def test_the_doctor_misses_a_key(
    leads: list[int], app: Flask, newer: Settings, cli: Callable[..., Any]
) -> None:
    def phones_check(settings: Settings) -> dict[str, Any]:
        app.config["SETTINGS"] = settings
        found: dict[str, Any] = json.loads(cli("doctor", "--json").stdout)["checks"]["phones"]
        return found

    assert phones_check(newer)["ok"]
    lost = phones_check(dataclasses.replace(newer, pii_keys_old=()))
    assert not lost["ok"]
    assert "PII_KEYS_OLD" in lost["detail"]
    other = phones_check(dataclasses.replace(newer, pii_index_key="0" * 64))
    assert "PII_INDEX_KEY" in other["detail"]
